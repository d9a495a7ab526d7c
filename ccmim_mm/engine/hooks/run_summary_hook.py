"""What a run came to, in one place."""

import json
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS

from ...visualization import plot_curves

CURVES = ('loss_rec', 'align_ce', 'align_acc', 'top_masked', 'lr')


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """At the end, plot the curves and say what happened and what is next.

    Writes ``curves.png`` and ``summary.json`` into the work dir.

    Args:
        config: The config's path, to print commands that work.
        data: The data folder, likewise.
    """

    # After the last evaluation and the last checkpoint.
    priority = 'VERY_LOW'

    def __init__(self, config: str = 'CONFIG', data: str = 'DIR') -> None:
        self.config = config
        self.data = data

    @master_only
    def after_train(self, runner) -> None:
        """Write the curves and the summary."""
        hub = runner.message_hub
        scalars = {
            name: hub.get_scalar(f'train/{name}').data[0]
            for name in CURVES
            if f'train/{name}' in hub.log_scalars
        }
        evaluations = hub.runtime_info.get('frozen_features', [])
        work_dir = Path(runner.work_dir)
        plot_curves(scalars, evaluations, work_dir / 'curves.png')
        last = hub.runtime_info.get('last_ckpt')
        summary = dict(
            checkpoint=last,
            epochs=runner.epoch,
            iterations=runner.iter,
            evaluations=evaluations,
            mask_analysis=hub.runtime_info.get('mask_analysis', []),
        )
        text = json.dumps(summary, indent=2)
        (work_dir / 'summary.json').write_text(text + '\n')
        runner.logger.info('\n'.join(self._lines(work_dir, last, evaluations)))

    def _lines(
        self, work_dir: Path, checkpoint: str | None, evaluations: list[dict]
    ) -> list[str]:
        lines = ['Finished.']
        if evaluations:
            first, last = evaluations[0], evaluations[-1]
            lines.append('  frozen features, top-1 in %, start -> end:')
            lines += [
                f'    {name:<12}{first[name]:6.1f} -> {last[name]:5.1f}'
                for name in last
                if name != 'iter'
            ]
        lines += [
            f'  checkpoint  {checkpoint}',
            f'  curves      {work_dir / "curves.png"}',
            f'  panels      {work_dir / "panels"}',
            'Next:',
            f'  judge it     python tools/test.py {self.config} '
            f'{checkpoint} --data {self.data}',
            f'  go on        python tools/train.py {self.config} --data '
            f'YOUR_PICTURES --pretrained {checkpoint}',
        ]
        return lines
