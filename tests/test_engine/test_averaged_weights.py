"""mmengine's average of the weights, in a run of this project."""

import torch
from mmengine.hooks import EMAHook, Hook
from run_helpers import bare, config
from stopped_runs import same

from ccmim_mm.engine import ResilientRunner


class Look(Hook):
    """Keep the average as it is before the first step."""

    def before_train(self, runner):
        (ema,) = (hook for hook in runner.hooks if isinstance(hook, EMAHook))
        state = ema.ema_model.module.state_dict()
        self.average = {name: value.clone() for name, value in state.items()}


def test_an_average_starts_from_the_pretrained_weights(
    picture_folder, tmp_path
):
    first = bare(config(picture_folder, tmp_path / 'a', epochs=1))
    ResilientRunner.from_cfg(first).train()
    path = tmp_path / 'a/epoch_1.pth'
    cfg = config(picture_folder, tmp_path / 'b', 1, pretrained=str(path))
    cfg = bare(cfg)
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='EMAHook', momentum=0.5)]
    runner, look = ResilientRunner.from_cfg(cfg), Look()
    runner.register_hook(look)
    runner.train()
    assert runner.iter == 3
    loaded = torch.load(path, weights_only=True)['state_dict']
    assert same(look.average, dict(loaded))


def test_an_average_counts_as_the_run_does_with_another_batch(
    picture_folder, tmp_path
):
    """Its momentum may follow its steps, as ExpMomentumEMA's does."""

    def average(batch, epochs, **options):
        cfg = bare(config(picture_folder, tmp_path, epochs, **options))
        cfg.experiment_name = f'{tmp_path}{batch}'
        cfg.train_dataloader.batch_size = batch
        cfg.custom_hooks = [*cfg.custom_hooks, dict(type='EMAHook')]
        runner = ResilientRunner.from_cfg(cfg)
        runner.train()
        (ema,) = (hook for hook in runner.hooks if isinstance(hook, EMAHook))
        return runner.iter, int(ema.ema_model.steps)

    assert average(8, 1) == (3, 3)
    assert average(4, 2, resume='auto') == (12, 12)
