"""``ccmim plan``: fake steps against real ones."""

import logging
import os
import signal

import numpy as np
import pytest
import torch
from conftest import ROOT, load
from mmengine.registry import MODELS, init_default_scope
from torch._subclasses import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel

from ccmim_mm.config import set_hyperparameters
from ccmim_tools import plan
from ccmim_tools.benchmarks.methods import method_cost
from ccmim_tools.planning import ways
from ccmim_tools.planning.check import cpu_peak
from ccmim_tools.planning.fake_step import FakeStep
from ccmim_tools.planning.live import BLOCK, LiveStorages
from ccmim_tools.planning.search import largest_batch

DEMO = 'ccmim_vit-tiny_demo'


@pytest.fixture(autouse=True)
def _scope_and_logging():
    init_default_scope('mmpretrain')
    yield
    # The tool silences it.
    logging.disable(logging.NOTSET)


def config(name, **options):
    cfg = load(name)
    cfg.merge_from_dict(options)
    return cfg


def test_storages_are_counted_while_they_live():
    with LiveStorages() as live:
        first = torch.ones(BLOCK)
        view = first[1:]
        assert live.bytes['activations'] == 4 * BLOCK
        live.name([first], 'weights')
        second = view + 1
        assert live.bytes == {'weights': 4 * BLOCK, 'activations': 4 * BLOCK}
        del first, second
        assert live.bytes['activations'] == 0
        assert live.bytes['weights'] == 4 * BLOCK
        del view
    assert live.bytes.total() == 0
    assert live.moments == [(4 * BLOCK, 0), (4 * BLOCK, 0)]


@pytest.mark.parametrize(
    'name, batch, passes, checkpointing',
    [
        *((DEMO, 16, 1, False), (DEMO, 64, 1, False), (DEMO, 16, 2, False)),
        *((DEMO, 64, 1, True), ('mae_vit-tiny_demo', 64, 1, False)),
    ],
)
def test_the_demo_against_the_allocator(name, batch, passes, checkpointing):
    cfg = config(name, **{'model.backbone.with_cp': checkpointing})
    cfg.optim_wrapper.update(precision='fp32', accumulative_counts=passes)
    planned = ways.ddp(1).peak(FakeStep(cfg).trace(batch))
    real = cpu_peak(cfg, batch, 2 * passes)
    assert planned == pytest.approx(real, rel=0.15)


@pytest.mark.parametrize('name', [DEMO, 'mae_vit-tiny_demo'])
def test_a_forward_pass_keeps_as_much_on_a_gpu(name, monkeypatch):
    """In bf16, under the one attention kernel that needs no GPU to be asked.

    Autograd goes no further with fake CUDA tensors where there is no GPU.
    """
    never = 'torch.cuda.amp.common.amp_definitely_not_available'
    monkeypatch.setattr(never, lambda: False)
    monkeypatch.setattr('torch.cuda.is_bf16_supported', lambda *_: True)
    cfg = config(name)
    kept = {}
    for device in ('cpu', 'cuda'):
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            sdpa_kernel(SDPBackend.MATH),
            LiveStorages() as live,
            torch.device(device),
        ):
            model = MODELS.build(cfg.model).train()
            live.name_all('weights')
            with torch.autocast(device, dtype=torch.bfloat16):
                losses = model.loss(torch.empty(8, 3, 64, 64), [])
            kept[device] = live.bytes['activations']
        assert 'loss_rec' in losses
    assert kept['cpu'] == pytest.approx(kept['cuda'], rel=0.01)


@pytest.mark.parametrize(
    'name',
    [
        *('imae_vit-tiny_demo', 'maskdistill_vit-tiny_demo'),
        *('mimco_vit-tiny_demo', 'mocov3_vit-tiny_demo'),
        *('simclr_vit-tiny_demo', 'densecl_resnet18_demo'),
    ],
)
def test_every_method_has_a_plan(name):
    step = FakeStep(config(name))
    trace = step.trace(16)
    trained = [p for p in step.model.parameters() if p.requires_grad]
    weights = sum(4 * p.numel() for p in trained)
    # Each rounded up to blocks.
    assert 0 <= trace.weights - weights < BLOCK * len(trained)
    states = 1 if 'densecl' in name else 2
    assert trace.optimizer >= states * weights
    assert trace.moments[:, 0].max() > 16 * 4 * 3 * 64 * 64
    has_second = name.startswith(('maskdistill', 'mimco', 'imae', 'moco'))
    assert (trace.frozen > weights / 2) == (has_second or 'dense' in name)


def test_flops_are_those_of_real_tensors():
    cfg = config(DEMO)
    assert FakeStep(cfg).flops() == pytest.approx(
        method_cost(cfg)['step'] * 1e9
    )


@pytest.mark.parametrize('name', [DEMO, 'densecl_resnet18_demo'])
@pytest.mark.parametrize('asked', [dict(channels=4), dict(img_size=(64, 96))])
def test_steps_of_other_pictures(name, asked):
    """Planned and real ones, of an encoder with positions and one without."""
    rgb, cfg = config(name), config(name)
    set_hyperparameters(cfg, **asked)
    flops = method_cost(cfg)['step'] * 1e9
    assert FakeStep(cfg).flops() == pytest.approx(flops)
    more = flops / FakeStep(rgb).flops()
    if 'img_size' in asked:
        assert 1.4 < more < 1.6
    else:
        # The first layer's and the decoder's last alone.
        assert 1 < more < 1.05


def test_counting_flops_leaves_the_state_of_a_step():
    """Of accumulated gradients, which are there from the beginning."""
    step = FakeStep(config(DEMO, **{'optim_wrapper.accumulative_counts': 2}))
    before = step.trace(8)
    assert (before.moments[:, 1] >= before.weights).all()
    step.flops()
    after = step.trace(8)
    assert (after.moments[:, 1] >= after.weights).all()
    # BatchNorm's counters are made anew in either, at moments of their own.
    differ = np.abs(after.moments.max(0) - before.moments.max(0))
    assert differ.max() <= 4 * BLOCK


def test_checkpointing_saves_activations_and_costs_flops():
    step = FakeStep(config(DEMO), checkpointing=False)
    stored, flops = step.trace(32).moments[:, 0], step.flops()
    step.recompute(True)
    assert step.flops() > flops
    assert step.trace(32).moments[:, 0].max() < stored.max()


def test_the_largest_batch_fits_and_one_more_does_not():
    step, way, memory = FakeStep(config(DEMO)), ways.ddp(8), 2.0**28
    traces = {16: step.trace(16)}
    batch, peak = largest_batch(way, step, traces, memory)
    assert peak == way.peak(step.trace(batch)) <= memory
    assert way.peak(step.trace(batch + 1)) > memory


def test_the_command(capsys):
    options = ['--gpu-memory', '1', '--batch-size', '8', '--tflops', '100']
    plan.main(['simclr_vit-tiny_demo', *options, '--ranks', '8'])
    out = capsys.readouterr().out
    for said in ('bf16', '8 processes', 'no activation checkpointing'):
        assert said in out
    for column in ('peak in 1', 'hours an epoch', 'FSDP2, MB'):
        assert column in out


def test_a_work_dir_stands_for_its_config(tmp_path, capsys):
    config(DEMO).dump(tmp_path / f'{DEMO}.py')
    arguments = ['--batch-size', '8', '--gpus', '1']
    plan.main([DEMO, *arguments])
    by_name = capsys.readouterr().out
    plan.main([str(tmp_path), *arguments])
    assert capsys.readouterr().out == by_name


@pytest.mark.slow
def test_the_plan_beside_real_steps(capsys):
    plan.main([DEMO, '--batch-size', '64', '--check'])
    head, table = capsys.readouterr().out.split('\n\n')[:2]
    assert 'One process on a CPU, fp32, 3 steps.' in head
    row = [cell.strip() for cell in table.splitlines()[-1].split('|')]
    batch, planned, measured, ratio = map(float, row[1:-1])
    assert batch == 64
    assert ratio == pytest.approx(planned / measured, rel=0.01)
    assert 0.85 < ratio < 1.15


def _killed(cfg, batch):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_steps_that_the_kernel_ends_are_a_row(monkeypatch, capsys):
    monkeypatch.setattr('ccmim_tools.planning.check.real_steps', _killed)
    plan.main([DEMO, '--batch-size', '64', '--check'])
    row = capsys.readouterr().out.strip().splitlines()[-1]
    assert 'ended, too little memory' in row


@pytest.mark.parametrize(
    'arguments, error',
    [
        (['ccmim_vit-bb'], 'did you mean ccmim_vit-b'),
        ([DEMO, '--gpus', '0'], '--gpus is 0: give more than 0'),
        ([DEMO, '--utilisation', '40'], 'give a share, as 0.4'),
        ([DEMO, '--cfg-options', 'x'], 'write KEY=VALUE'),
        (
            [DEMO, '--cfg-options', 'train_dataloader.batchsize=8'],
            'did you mean train_dataloader.batch_size',
        ),
        ([DEMO, '--cfg-options', 'batch_size=9'], 'nothing reads batch_size'),
        (
            [DEMO, '--cfg-options', 'model.backbone.x.y.z=1'],
            "--cfg-options: TypeError: .* unexpected keyword argument 'x'",
        ),
        ([str(ROOT / 'tests')], 'tests holds several configs'),
        ([DEMO, '--batch-size', '1'], 'batch_size to 2 or more'),
        (['classification/vit-b_finetune_own'], 'no pre-training method'),
        (
            [
                *('maskdistill_vit-tiny_demo', '--cfg-options'),
                'model.head.out_channels=100',
            ],
            'set model.teacher.random',
        ),
        (
            [DEMO, '--cfg-options', 'optim_wrapper.type=AmpOptimWrapper'],
            'optim_wrapper.type=FiniteOptimWrapper',
        ),
    ],
)
def test_what_cannot_be_planned(arguments, error):
    with pytest.raises(SystemExit, match=error) as ended:
        plan.main(arguments)
    assert '\n' not in ended.value.code
