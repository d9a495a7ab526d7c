"""What a resumed run takes from its config, and what from its checkpoint."""

import hashlib
import re

from mmengine.config import Config

#: Parts of a config that say what is trained, and how.
PARTS = (
    *('model', 'data_preprocessor', 'optim_wrapper', 'param_scheduler'),
    *('train_cfg', 'train_dataloader', 'randomness'),
)
#: Longer values are kept as digests.
_LONGEST = 200
#: Where the data lie, and how fast they come, may always change.
_FREE = re.compile(
    r'(.*\.)?(data_root|ann_file|cache_dir|num_workers|prefetch_factor|pin_memory|'
    r'persistent_workers)'
)
#: Comes with the optimizer's state, whatever the config says.
_KEPT = re.compile(r'optim_wrapper\.(optimizer|paramwise_cfg|constructor)\b.*')
_LENGTH = re.compile(r'train_cfg\.max_(epochs|iters)')
_END = re.compile(r'param_scheduler(\.\d+)?\.end')

#: Setting -> what it was and is, printed; None where there was or is none.
Changes = dict[str, tuple[str | None, str | None]]


def flatten(value: object, name: str = '') -> dict[str, str]:
    """A nested config as dotted names and what they are, printed."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)  # type: ignore[assignment]
    else:
        return {name: repr(value)}
    found: dict[str, str] = {}
    for key, part in items:
        found |= flatten(part, f'{name}.{key}' if name else str(key))
    return found


def settings_of(cfg: Config) -> dict[str, str]:
    """What a checkpoint keeps of its config, to be compared by a resume."""
    kept = {name: cfg[name] for name in PARTS if cfg.get(name) is not None}
    return {
        name: value if len(value) <= _LONGEST else _digest(value)
        for name, value in flatten(Config(kept).to_dict()).items()
        if not may_change(name)
    }


def may_change(name: str) -> bool:
    """Whether a setting says where data lie, or how fast they come."""
    return _FREE.fullmatch(name) is not None


def _digest(value: str) -> str:
    content = value.encode(errors='replace')
    return f'sha256 {hashlib.sha256(content).hexdigest()}'


def changes(then: dict[str, str], now: dict[str, str]) -> Changes:
    """What differs; folders and the loaders' speed do not count."""
    return {
        name: (then.get(name), now.get(name))
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name) and not may_change(name)
    }


def check_changes(
    changed: Changes, then: dict[str, str], checkpoint: str
) -> None:
    """Refuse changes that a resume could not honour.

    Args:
        changed: See :func:`changes`.
        then: The settings before.
        checkpoint: What is resumed from, for the command that works.

    Raises:
        ValueError: Naming what would work.
    """
    kept = {n: c for n, c in changed.items() if _KEPT.fullmatch(n)}
    if kept:
        raise ValueError(
            f'it brings its optimizer along, and {describe(kept)} '
            'would be ignored: leave that as it was, or start from these '
            f'weights with it: --pretrained {checkpoint}, another --work-dir'
        )
    ends: set[str | None] = set()
    if not moves_schedule(changed):
        ends = {v for n, v in then.items() if _END.fullmatch(n)}
    seeds = {n: c for n, c in changed.items() if n == 'randomness.seed'}
    if seeds:
        was = seeds['randomness.seed'][0]
        raise ValueError(
            f'it goes on with its own seed, and {describe(seeds)} '
            f'would be ignored: resume with --seed {was}'
        )
    for name, (was, now) in changed.items():
        if _LENGTH.fullmatch(name) and was in ends and _is_more(was, now):
            option = name.removeprefix('train_cfg.max_')
            raise ValueError(
                f'{describe({name: (was, now)})}, but the rates follow a '
                f'schedule that ends at {was}: --{option} {now} stretches '
                'both'
            )


def _is_more(was: str | None, now: str | None) -> bool:
    return bool(was and now and int(now) > int(was))


def moves_schedule(changed: Changes) -> bool:
    """Whether the rates follow another schedule."""
    return any(name.startswith('param_scheduler') for name in changed)


def describe(changed: Changes, most: int = 6) -> str:
    """Changes in a line: ``train_cfg.max_epochs 3 -> 6, ...``."""
    said = [f'{name} {was} -> {now}' for name, (was, now) in changed.items()]
    more = [f'and {len(said) - most} more'] if len(said) > most else []
    return ', '.join([*said[:most], *more])
