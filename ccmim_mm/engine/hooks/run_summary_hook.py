"""What a run came to, in one place."""

import json
import shlex
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ...files import printable
from ...models import PretrainMethod
from ...visualization import plot_curves, training_rows
from ..points import recall


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """At the end, plot the curves and say what happened and what is next.

    Writes ``curves.png``, of the log's values over all starts of the run,
    and ``summary.json`` into the work dir.
    """

    # After the last evaluation and the last checkpoint.
    priority = 'VERY_LOW'

    @master_only
    def after_train(self, runner) -> None:
        """Write the curves and the summary."""
        hub = runner.message_hub
        model = get_ori_model(runner.model)
        kind = type(model) if isinstance(model, PretrainMethod) else None
        evaluations = recall(hub, 'frozen_features')
        work_dir = Path(runner.work_dir)
        plot_curves(
            training_rows(work_dir),
            (kind or PretrainMethod).curves,
            evaluations,
            work_dir / 'curves.png',
        )
        last = hub.runtime_info.get('last_ckpt')
        last = last and str(work_dir / last)
        # What a data set has to say, as where labels were used.
        data = runner.train_dataloader.dataset
        notes = getattr(data, 'metainfo', {}).get('notes', [])
        summary = dict(
            checkpoint=last,
            notes=notes,
            epochs=runner.epoch,
            iterations=runner.iter,
            evaluations=evaluations,
            mask_analysis=recall(hub, 'mask_analysis'),
        )
        text = json.dumps(summary, indent=2)
        (work_dir / 'summary.json').write_text(text + '\n')
        lines = self._lines(work_dir, last, evaluations)
        lines += [f'  note        {note}' for note in notes]
        lines += self._next(runner, last)
        runner.logger.info('\n'.join(lines))

    @staticmethod
    def _lines(
        work_dir: Path, checkpoint: str | None, evaluations: list[dict]
    ) -> list[str]:
        lines = ['Finished.']
        if evaluations:
            first, last = evaluations[0], evaluations[-1]
            lines.append('  frozen features, top-1 in %, start -> end:')
            lines += [
                f'    {name:<12}{first[name]:6.1f} -> {last[name]:5.1f}'
                for name in last
                # One that was not finite has no figure.
                if name != 'iter' and name in first
            ]
        lines += [
            f'  checkpoint  {checkpoint}',
            f'  curves      {work_dir / "curves.png"}',
        ]
        if (work_dir / 'panels').is_dir():
            lines.append(f'  panels      {work_dir / "panels"}')
        return lines

    @staticmethod
    def _next(runner, checkpoint: str | None) -> list[str]:
        """Commands that work, of this project's tools."""
        config, checkpoint, data = (
            printable(shlex.quote(str(path)))
            for path in (
                runner.cfg.filename or 'CONFIG',
                checkpoint,
                runner.cfg.get('data_root', 'DIR'),
            )
        )
        judge = f'features     python tools/extract_features.py {config} ' + (
            f'{checkpoint} {data} features.npz'
        )
        if runner.val_loop is not None:
            judge = (
                f'judge it     python tools/test.py {config} {checkpoint} '
                f'--data {data}'
            )
        return [
            'Next:',
            f'  {judge}',
            f'  go on        python tools/train.py {config} --data '
            f'YOUR_PICTURES --pretrained {checkpoint}',
        ]
