"""Numbers that are not finite spoil no weights; collapse is seen."""

import copy
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import TINY, build
from contrastive_models import running, views_of
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from run_helpers import bare, config

from ccmim_mm.engine import CollapseHook, FiniteOptimWrapper, ResilientRunner


@pytest.mark.parametrize('fused', [True, False])
def test_a_broken_gradient_changes_nothing(fused):
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(3)) for _ in range(2)]
    optimizer = torch.optim.AdamW(parameters, lr=0.1, fused=fused)
    wrapper = FiniteOptimWrapper(optimizer)
    wrapper.update_params(sum(p.square().sum() for p in parameters))
    before = [p.detach().clone() for p in parameters]
    state = optimizer.state[parameters[0]]
    moments = state['exp_avg'].clone()
    for bad in (float('nan'), float('inf')):
        wrapper.update_params((parameters[0] * bad).sum())
        assert wrapper.broken == 1
    for now, then in zip(parameters, before, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(state['exp_avg'], moments)
    assert state['step'] == 1
    wrapper.update_params(sum(p.square().sum() for p in parameters))
    assert not torch.equal(parameters[1], before[1])
    assert wrapper.broken == 0


def test_queues_and_statistics_of_a_broken_step_are_put_back():
    model = running('densecl')
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    wrapper = FiniteOptimWrapper(optimizer)

    def step(factor=1.0):
        views = [view * factor for view in views_of(4)]
        with wrapper.optim_context(model):
            losses = model.loss(views, None)
        wrapper.update_params(losses['loss_single'] + losses['loss_dense'])
        return wrapper.broken.item()

    assert step() == 0
    before = {name: b.clone() for name, b in model.named_buffers()}
    assert {'queue', 'queue_ptr', 'encoder_k.steps'} <= before.keys()
    assert step(float('nan')) == 1
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert step() == 0
    assert not torch.equal(model.queue, before['queue'])


def test_all_batches_of_a_broken_step_are_undone():
    model = torch.nn.BatchNorm1d(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    wrapper = FiniteOptimWrapper(optimizer, accumulative_counts=2)
    means = []
    for factor in (1.0, float('nan'), 1.0, 1.0):
        with wrapper.optim_context(model):
            loss = (model(factor * torch.rand(4, 3)) ** 3).sum()
        wrapper.update_params(loss)
        means.append(model.running_mean.clone())
    assert means[0].any() and not means[1].any()
    assert 0 < means[2].min() < means[3].min()


def test_a_precision_that_is_none_is_refused():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([parameter])
    assert not FiniteOptimWrapper(optimizer).bf16  # no GPU here
    with pytest.raises(ValueError, match="'fp16': use auto, bf16 or fp32"):
        FiniteOptimWrapper(optimizer, precision='fp16')


def in_bf16(model, *modules):
    optimizer = torch.optim.AdamW(model.parameters())
    return FiniteOptimWrapper(optimizer, precision='bf16', modules=modules)


def test_a_part_in_bf16_gives_its_caller_fp32():
    """Whatever it returns; whole numbers stay what they are."""
    model = torch.nn.ModuleDict(dict(part=torch.nn.Linear(3, 3)))
    wrapper = in_bf16(model, 'part')
    with wrapper.optim_context(model):
        out = model['part'](torch.rand(4, 3))
    assert out.shape == (4, 3) and out.dtype == torch.float32
    assert torch.equal(out, out.bfloat16().float())
    model['part'] = torch.nn.MaxPool1d(2, return_indices=True)
    with wrapper.optim_context(model):
        values, places = model['part'](torch.rand(4, 1, 4))
    assert values.dtype == torch.float32 and places.dtype == torch.int64


def test_a_part_that_is_never_called_cannot_be_in_bf16():
    model = build(copy.deepcopy(TINY)).train()
    pictures = torch.randn(4, 3, 32, 32)
    with (
        pytest.raises(ValueError, match=r"names 'backbone'.*set modules=\[\]"),
        in_bf16(model, 'backbone').optim_context(model),
    ):
        model.loss(pictures, None)


class Spoil(Hook):
    """Make the pictures of some iterations NaN."""

    def __init__(self, iterations, stack=True):
        self.iterations, self.stack = iterations, stack

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in self.iterations:
            # One tensor, or a list of them.
            data_batch['inputs'] = [
                picture * float('nan') for picture in data_batch['inputs']
            ]
            if self.stack:
                data_batch['inputs'] = torch.stack(data_batch['inputs'])


def spoiled(data, work_dir, iterations, epochs=2, **options):
    cfg = bare(config(data, work_dir, epochs, options=options))
    runner = ResilientRunner.from_cfg(cfg)
    runner.register_hook(Spoil(iterations))
    runner.train()
    return runner


def test_a_run_goes_on_over_a_broken_batch(picture_folder, tmp_path):
    runner = spoiled(picture_folder, tmp_path, {1, 4})
    hub = runner.message_hub
    assert hub.get_scalar('train/skipped_steps').current() == 2
    losses = hub.get_scalar('train/loss').data[0]
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    # Parameters and BatchNorm's statistics.
    for value in runner.model.state_dict().values():
        assert torch.isfinite(value).all()
    lines = (tmp_path / 'not_finite_rank0.txt').read_text().splitlines()
    assert lines.count('# loss not finite') == 2
    listed = {line for line in lines if line.endswith('.png')}
    # In two epochs the batches have some in common.
    assert 8 < len(listed) <= 16


def test_too_many_in_a_row_stop_it_with_the_last_good_weights(
    picture_folder, tmp_path
):
    with pytest.raises(FloatingPointError, match=r'3 steps in a row .* 5;'):
        spoiled(
            picture_folder,
            tmp_path,
            set(range(2, 9)),
            epochs=3,
            **{'custom_hooks.2.max_skipped': 3},
        )
    saved = torch.load(tmp_path / 'last_good.pth', weights_only=True)
    assert saved['meta']['iter'] == 5
    assert all(torch.isfinite(v).all() for v in saved['state_dict'].values())


def test_good_steps_after_too_many_bad_ones_do_not_hide_them(
    picture_folder, tmp_path
):
    with pytest.raises(FloatingPointError, match=r'3 steps in a row .* 6;'):
        spoiled(
            picture_folder,
            tmp_path,
            {1, 2, 3},
            **{
                'custom_hooks.2.max_skipped': 3,
                'train_dataloader.batch_size': 4,
                'default_hooks.logger.interval': 50,
            },
        )


def test_a_full_disk_at_that_stop_is_said_in_the_same_line(
    picture_folder, tmp_path, monkeypatch
):
    def refuse(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('ccmim_mm.files.os.replace', refuse)
    with pytest.raises(FloatingPointError, match=r'Saving failed.*No space'):
        spoiled(
            picture_folder,
            tmp_path,
            set(range(1, 9)),
            **{'custom_hooks.2.max_skipped': 1},
        )


class Loader:
    batch_size = 8

    def __len__(self):
        return 1


@pytest.mark.parametrize(
    ('spread', 'accuracy', 'message'),
    [(0.01, 0.5, 'collapsed'), (0.9, 0.01, 'at chance'), (0.9, 0.5, None)],
)
def test_collapse_is_said(spread, accuracy, message, caplog):
    scalars = {}
    for name, value in (('std', spread), ('acc', accuracy)):
        scalars[f'train/align_{name}'] = HistoryBuffer()
        scalars[f'train/align_{name}'].update(value)
    runner = SimpleNamespace(
        epoch=1,
        message_hub=SimpleNamespace(log_scalars=scalars),
        train_dataloader=Loader(),
        model=build(copy.deepcopy(TINY)),
        logger=logging.getLogger('collapse'),
    )
    with caplog.at_level('WARNING', 'collapse'):
        CollapseHook().after_train_epoch(runner)
    assert (message in caplog.text) if message else not caplog.text
