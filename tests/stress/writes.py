"""SIGKILL while each kind of file is written: nothing lost, same weights."""

import builtins
import fnmatch
import io
import os
import signal
from pathlib import Path
from typing import Any

import torch
from common import config_of, in_fork, make_class_folders, row

from ccmim_mm.checkpoints import check_archive

#: What a run writes, by patterns of names, and before which iteration it is
#: asked to stop so that it does.
KINDS = {
    'epoch_*.pth': None,
    'best_*.pth': None,
    'last_checkpoint': None,
    'preempted.pth': 4,
    'preempted': 4,
    '*.npz': None,
    'bad_images.txt': None,
    'scalars.json': None,
    '*.log': None,
    'epoch_0002.png': None,
    'curves.png': None,
    'summary.json': None,
    'tiny_config.py': None,
}
#: Before a byte is there, half-way, and when all is there but the name.
MOMENTS = ('begun', 'half', 'whole')


class Killer:
    """Kills this process while a file of some kind is written.

    Args:
        pattern: Of its name.
        moment: One of :data:`MOMENTS`; ``whole`` is for files that are moved
            into place.
    """

    def __init__(self, pattern: str, moment: str) -> None:
        self.pattern, self.moment = pattern, moment

    def install(self) -> None:
        """Watch what the process opens to write, and moves."""
        move, opening = os.replace, io.open

        def replace(source: Any, target: Any, **kwargs: Any) -> None:
            if self._is(target):
                content = Path(source).read_bytes()
                share = dict(begun=0.0, half=0.5, whole=1.0)[self.moment]
                Path(source).write_bytes(content[: int(share * len(content))])
                self._die()
            move(source, target, **kwargs)

        def opened(file: Any, mode: str = 'r', *args: Any, **kw: Any) -> Any:
            found = opening(file, mode, *args, **kw)
            written = set(mode) & set('wax') and not isinstance(file, int)
            if written and self._is(file):
                if self.moment == 'half':
                    found.write(b'{"lo' if 'b' in mode else '{"lo')
                    found.flush()
                self._die()
            return found

        os.replace = replace  # type: ignore[assignment]
        io.open = builtins.open = opened  # type: ignore[assignment]

    def _is(self, path: Any) -> bool:
        name = os.path.basename(os.fspath(path))
        return fnmatch.fnmatch(name, self.pattern)

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _run(
    data: Path, work_dir: Path, killer: Killer | None, stop: int | None
) -> None:
    from stopped_runs import Signal

    from ccmim_mm.engine import ResilientRunner

    options = {
        'default_hooks.checkpoint.save_best': 'linear_mean',
        'default_hooks.checkpoint.rule': 'greater',
        'default_hooks.checkpoint.max_keep_ckpts': 1,
        'train_dataloader.dataset.dataset.cache_dir': f'{work_dir}_cache',
    }
    if killer is not None:
        killer.install()
    cfg = config_of(data, work_dir, options, 'auto', evaluate=True)
    runner = ResilientRunner.from_cfg(cfg)
    if stop is not None:
        runner.register_hook(Signal(iteration=stop))
    runner.train()


def _end(work_dir: Path) -> tuple[dict[str, torch.Tensor], list]:
    last = Path((work_dir / 'last_checkpoint').read_text().strip())
    found = torch.load(last, weights_only=True)
    info = found['message_hub']['runtime_info']
    return found['state_dict'], info['frozen_features'][:-1]


def check(folder: Path) -> dict:
    """Kill, look at what is there, go on, compare."""
    data = make_class_folders(folder / 'pictures')
    (data / 'train/a/0003.png').write_bytes(b'broken')
    straight = folder / 'straight'
    in_fork(folder / 'straight.txt', _run, data, straight, None, None)
    expected, judged = _end(straight)
    problems, kills = [], 0
    for kind, stop in KINDS.items():
        for moment in MOMENTS:
            work_dir = folder / f'{kind.replace("*", "X")}_{moment}'
            log = folder / f'{work_dir.name}.txt'
            args = data, work_dir
            code = in_fork(log, _run, *args, Killer(kind, moment), stop)
            killed = code == -signal.SIGKILL
            kills += killed
            for path in work_dir.glob('*.pth'):
                check_archive(path)
            again = in_fork(log, _run, *args, None, None)
            found, here = _end(work_dir) if again == 0 else ({}, [])
            same = found.keys() == expected.keys() and all(
                torch.equal(found[name], expected[name]) for name in found
            )
            left = [*work_dir.glob('preempted*'), *work_dir.glob('.*.part')]
            if not (killed and same and here == judged) or left:
                problems.append(
                    f'{kind} {moment}: {code}, then {again}, same {same}, '
                    f'judged alike {here == judged}, left {left}'
                )
    return row(
        'SIGKILL while each kind of file is written',
        f'{kills} kills: {", ".join(KINDS)}; {", ".join(MOMENTS)}',
        'resumed to the same weights and figures, nothing left over'
        if not problems
        else '; '.join(problems),
        not problems,
    )
