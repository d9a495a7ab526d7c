"""The hooks that keep a step from waiting, on real runs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from run_helpers import config, history, train

from ccmim_mm.engine import (
    DeferredRuntimeInfoHook,
    FiniteOptimWrapper,
    ResilientRunner,
)

pytestmark = pytest.mark.slow

LOSSES = ('loss', 'loss_rec', 'loss_align', 'align_acc', 'top_masked')


def test_the_histories_are_the_stock_hooks(picture_folder, tmp_path):
    stock = train(
        picture_folder,
        tmp_path / 'stock',
        options={'default_hooks.runtime_info.type': 'RuntimeInfoHook'},
    )
    own = train(
        picture_folder,
        tmp_path / 'own',
        options={'default_hooks.logger.interval': 2},
    )
    for name in LOSSES:
        assert len(history(own, name)) == 6
        np.testing.assert_array_equal(
            history(own, name), history(stock, name).astype(np.float32)
        )


def test_nothing_is_read_between_logs():
    """A meta tensor has no value: reading it would raise."""
    hook = DeferredRuntimeInfoHook()
    hook.interval = 3
    runner = SimpleNamespace(
        iter=0, train_dataloader=range(100), optim_wrapper=None
    )
    outputs = dict(loss=torch.zeros((), device='meta'))
    hook.after_train_iter(runner, 0, outputs=outputs)
    hook.after_train_iter(runner, 1, outputs=outputs)
    with pytest.raises(NotImplementedError, match='meta'):
        hook.after_train_iter(runner, 2, outputs=outputs)


def test_the_norm_of_clipped_gradients_is_read_with_the_losses():
    parameter = torch.nn.Parameter(torch.full((4,), 2.0))
    wrapper = FiniteOptimWrapper(
        torch.optim.SGD([parameter], lr=0.0, fused=True),
        clip_grad=dict(max_norm=1.0),
    )
    hub = MessageHub('norm')
    wrapper.message_hub = hub
    runner = SimpleNamespace(
        iter=0,
        train_dataloader=range(100),
        optim_wrapper=wrapper,
        message_hub=hub,
    )
    hook = DeferredRuntimeInfoHook()
    hook.interval = 3
    for i, factor in enumerate((1.0, float('nan'), 2.0)):
        assert 'train/grad_norm' not in hub.log_scalars
        wrapper.update_params((factor * parameter).square().sum() / 2)
        hook.after_train_iter(runner, i)
    # The step between was skipped.
    assert hub.get_scalar('train/grad_norm').data[0].tolist() == [4.0, 16.0]


def test_a_checkpoint_between_logs_has_every_value(picture_folder, tmp_path):
    train(
        picture_folder,
        tmp_path,
        options={
            'default_hooks.logger.interval': 3,
            'default_hooks.checkpoint.interval': 2,
            'default_hooks.checkpoint.by_epoch': False,
        },
    )
    saved = torch.load(tmp_path / 'iter_2.pth', weights_only=True)
    scalars = saved['message_hub']['log_scalars']
    for name in LOSSES:
        assert len(scalars[f'train/{name}']['history']) == 2


def test_compiled_layers_train_alike(picture_folder, tmp_path):
    plain = train(picture_folder, tmp_path / 'plain', epochs=1)
    cfg = config(picture_folder, tmp_path / 'compiled', epochs=1)
    # The tracer alone: building machine code would take minutes.
    hook = dict(type='CompileLayersHook', backend='aot_eager')
    cfg.custom_hooks = [*cfg.custom_hooks, hook]
    compiled = ResilientRunner.from_cfg(cfg)
    compiled.train()
    np.testing.assert_allclose(
        history(compiled, 'loss'), history(plain, 'loss'), rtol=1e-4
    )
