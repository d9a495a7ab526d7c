"""What a run came to, in one place."""

import json
import shlex
import shutil
import sys
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ...files import printable, write_atomic
from ...models import MaskedMethod, PretrainMethod
from ...run_files import CURVES, SUMMARY
from ...visualization import History, plot_curves, training_rows
from ..points import evaluations, main_figures, recall, remember
from .looking import optional


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Plot the curves, and say at the end what happened and what is next.

    Of any task. Writes ``curves.png``, of the log's values over all starts
    of the run, and ``summary.json`` into the work dir, after every
    evaluation and at the end. Evaluations of other tasks than pre-training
    are kept for it as ``evaluations`` in the message hub, so they outlive a
    resume.
    """

    # After the last evaluation and the last checkpoint.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.training = False

    def before_train(self, runner) -> None:
        """Only a training has a work dir to write to."""
        self.training = True

    def after_val_epoch(
        self, runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Keep what an evaluation found, unless its loop does."""
        if main_figures(metrics) and not recall(
            runner.message_hub, 'frozen_features'
        ):
            remember(runner, 'evaluations', main_figures(metrics))
        if self.training:
            self._write(runner)

    @master_only
    def after_train(self, runner) -> None:
        """Write the curves and the summary, and tell of the run."""
        work_dir = Path(runner.work_dir)
        summary = self._write(runner)
        notes = summary['notes']
        lines = self._lines(work_dir, summary)
        lines += [f'  note        {note}' for note in notes]
        best = summary.get('best_checkpoint')
        lines += self._next(runner, best or summary['checkpoint'])
        runner.logger.info('\n'.join(lines))

    @master_only
    def _write(self, runner) -> dict:
        """Both files, as the run stands; gives the summary."""
        hub = runner.message_hub
        work_dir = Path(runner.work_dir)
        last, best = (
            name and str(work_dir / name)
            for name in map(
                hub.runtime_info.get, ('last_ckpt', 'best_checkpoint')
            )
        )
        # What a data set has to say, as where labels were used.
        data = runner.train_dataloader.dataset
        notes = getattr(data, 'metainfo', {}).get('notes', [])
        summary = dict(
            config=_config_name(runner),
            checkpoint=last,
            notes=notes,
            pictures=len(data),
            epochs=runner.epoch,
            iterations=runner.iter,
            evaluations=evaluations(hub),
            mask_analysis=recall(hub, 'mask_analysis'),
        )
        if best:
            score = hub.runtime_info['best_score']
            summary |= dict(best_checkpoint=best, best_score=score)
        with optional(runner, SUMMARY):
            text = json.dumps(summary, indent=2)
            write_atomic(f'{text}\n'.encode(), work_dir / SUMMARY)
        with optional(runner, 'curves'):
            model = get_ori_model(runner.model)
            known = isinstance(model, PretrainMethod)
            history = History(
                training_rows(work_dir),
                summary['evaluations'],
                (model if known else PretrainMethod).curves,
            )
            plot_curves({work_dir.name: history}, work_dir / CURVES)
        return summary

    @staticmethod
    def _lines(work_dir: Path, summary: dict) -> list[str]:
        lines = ['Finished.']
        points = summary['evaluations']
        if points:
            first, last = points[0], points[-1]
            alone = len(points) == 1
            lines.append('  evaluation' + ', start -> end:' * (not alone))
            lines += [
                f'    {name:<16}'
                + f'{first[name]:7.4g} -> ' * (not alone)
                + f'{last[name]:7.4g}'
                for name in last
                # One that was not finite has no figure.
                if name != 'iter' and name in first
            ]
        if 'best_checkpoint' in summary:
            score, path = summary['best_score'], summary['best_checkpoint']
            lines.append(f'  best        {score:.4g}: {path}')
        lines.append(f'  checkpoint  {summary["checkpoint"]}')
        for name in (CURVES, 'panels', 'look'):
            if (work_dir / name).exists():
                kind = name.removesuffix('.png')
                lines.append(f'  {kind:<12}{work_dir / name}')
        return lines

    @staticmethod
    def _next(runner, checkpoint: str | None) -> list[str]:
        """Commands that work for these data, of this project's tools."""
        if checkpoint is None:
            return []
        work_dir = Path(runner.work_dir)
        # That of the run, with what the command line changed.
        config, saved, data, features, drawn, after = (
            printable(shlex.quote(str(path)))
            for path in (
                work_dir / _config_name(runner),
                checkpoint,
                runner.cfg.get('data_root') or 'DIR',
                work_dir / 'features',
                work_dir / 'predictions',
                f'{work_dir}_next',
            )
        )
        model = get_ori_model(runner.model)
        commands = {}
        if runner.cfg.get('test_cfg') is not None:
            commands['judge it'] = (
                f'{_tool("test")} {config} {saved} --data {data}'
            )
        if isinstance(model, PretrainMethod):
            look = f' --attention {features}' * isinstance(model, MaskedMethod)
            commands['features'] = (
                f'{_tool("features")} {config} {saved} {data} '
                f'{features}.npz{look}'
            )
            commands['go on'] = (
                f'{_tool("train")} {config} --data YOUR_PICTURES '
                f'--pretrained {saved} --work-dir {after}'
            )
        elif 'judge it' in commands:
            commands['draw it'] = f'{commands["judge it"]} --show-dir {drawn}'
        return [
            'Next:',
            *(f'  {k:<13}{v}' for k, v in commands.items()),
        ]


def _config_name(runner) -> str:
    """Of the file in the work dir that the run's config is dumped into."""
    return Path(runner.cfg.filename or f'{runner.timestamp}.py').name


def _tool(name: str) -> str:
    """What starts a tool here: installed, in a clone, or by its package."""
    if shutil.which('ccmim'):
        return f'ccmim {name}'
    file = f'{dict(features="extract_features").get(name, name)}.py'
    # Others of the family have a tools/test.py, too.
    if Path('tools/ccmim_tools', file).is_file():
        return f'python tools/{file}'
    return f'{printable(shlex.quote(sys.executable))} -m ccmim_tools {name}'
