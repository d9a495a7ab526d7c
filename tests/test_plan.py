"""``ccmim plan``: fake steps against real ones, formulas against hands."""

import gc
import json
import logging

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import profile

from ccmim_tools import plan
from ccmim_tools.benchmarks.methods import MethodStep, method_cost
from ccmim_tools.planning import ways
from ccmim_tools.planning.fake_step import FakeStep, Trace
from ccmim_tools.planning.laws import traffic
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
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    cfg.merge_from_dict(options)
    return cfg


def real_peak(cfg, batch, passes, folder):
    """Bytes that the CPU's allocator had out at most, by its own events.

    Of a build and so many passes; the profiler sees every allocation and
    release, those within kernels as well.
    """
    # What goes meanwhile, of before, would count as less than nothing.
    gc.collect()
    path = folder / 'trace.json'
    with profile(profile_memory=True) as recorded:
        method = MethodStep(cfg, batch, 'cpu')
        for _ in range(passes):
            method.step()
    recorded.export_chrome_trace(str(path))
    events = [
        event
        for event in json.loads(path.read_text())['traceEvents']
        if event.get('name') == '[memory]'
    ]
    events.sort(key=lambda event: event['ts'])
    steps = [event['args']['Bytes'] for event in events]
    return np.cumsum(steps).max()


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
def test_the_demo_against_the_allocator(
    name, batch, passes, checkpointing, tmp_path
):
    cfg = config(name, **{'model.backbone.with_cp': checkpointing})
    cfg.optim_wrapper.update(precision='fp32', accumulative_counts=passes)
    planned = ways.ddp(1).peak(FakeStep(cfg).trace(batch))
    real = real_peak(cfg, batch, 2 * passes, tmp_path)
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


def test_counting_flops_leaves_the_state_of_a_step():
    """Of accumulated gradients, which are there from the beginning."""
    step = FakeStep(config(DEMO, **{'optim_wrapper.accumulative_counts': 2}))
    before = step.trace(8)
    assert (before.moments[:, 1] >= before.weights).all()
    step.flops()
    after = step.trace(8)
    assert (after.moments[:, 1] == before.moments[:, 1]).all()
    # BatchNorm's counters are made anew in either.
    differ = np.abs(after.moments - before.moments)
    assert differ.max() <= 4 * BLOCK


def test_checkpointing_saves_activations_and_costs_flops():
    step = FakeStep(config(DEMO), checkpointing=False)
    stored, flops = step.trace(32).moments[:, 0], step.flops()
    step.recompute(True)
    assert step.flops() > flops
    assert step.trace(32).moments[:, 0].max() < stored.max()


def test_ways_by_hand():
    moments = np.array([[100, 0], [80, 40]])
    trace = Trace(2, weights=40, frozen=7, optimizer=80, moments=moments)
    assert ways.ddp(1).peak(trace) == 40 + 80 + 7 + 120
    assert ways.ddp(8).peak(trace) == 40 + 80 + 7 + 40 + 120
    # Gradients lie in the buckets.
    assert ways.ddp(8, as_view=True).peak(trace) == 40 + 80 + 7 + 40 + 100
    model = nn.Sequential(nn.Linear(2, 3), TransformerEncoderLayer(4, 2, 8))
    # Two norms, q, k and v, the projection, and the network of 8.
    layer = 2 * 8 + 12 * 5 + 4 * 5 + 8 * 5 + 4 * 9
    gathered = 4 * (2 * (6 + 3) + 5 * layer)
    assert ways.gathered_bytes(model) == gathered
    summed = ways.fsdp(8, model, accumulates=True)
    assert summed.peak(trace) == 15 + 7 + gathered + 80 + 40
    reduced = ways.fsdp(8, model, accumulates=False)
    assert reduced.peak(trace) == 15 + 7 + gathered + 100
    assert ways.fsdp(8, nn.Linear(2, 3), accumulates=False) is None


class Grown:
    """Steps whose moments are functions of the batch; no batch below 2."""

    def __init__(self, *moments):
        self.moments = moments
        self.model = self
        self.ran = []

    def check_batch(self, batch):
        if batch < 2:
            raise ValueError

    def trace(self, batch):
        self.ran.append(batch)
        found = [(moment(batch), 0) for moment in self.moments]
        # Now and then one operation more.
        found += [(0, 0)] * (batch % 5 == 0)
        return Trace(batch, 40, 7, 80, np.array(found))


@pytest.mark.parametrize(
    'moments, most',
    [
        ([lambda b: 100 * b], 3),
        # Another moment is the worst from 900 pictures on.
        ([lambda b: 9000 + 10 * b, lambda b: 20 * b], 3),
        # Logits of all pairs.
        ([lambda b: 100 * b + 0.1 * b * b], 7),
    ],
)
@pytest.mark.parametrize('start', [8, 128, 1500])
def test_the_largest_batch_by_hand(moments, most, start):
    way, memory = ways.ddp(1), 100_000.0
    held = 40 + 7 + 80
    step = Grown(*moments)
    traces = {start: step.trace(start)}
    fits = [
        b
        for b in range(2, 10_000)
        if held + max(m(b) for m in moments) <= memory
    ]
    batch, peak = largest_batch(way, step, traces, memory)
    assert batch == fits[-1]
    assert peak == way.peak(traces[batch]) <= memory
    assert len(step.ran) == len(set(step.ran)) <= most


def test_too_little_memory_for_any_batch():
    step = Grown(lambda b: 100 * b)
    traces = {8: step.trace(8)}
    assert largest_batch(ways.ddp(1), step, traces, 127 + 200) == (2, 327)
    assert largest_batch(ways.ddp(1), step, traces, 127 + 199) is None
    assert largest_batch(ways.ddp(1), step, traces, 10) is None


def test_the_largest_batch_fits_and_one_more_does_not():
    step, way, memory = FakeStep(config(DEMO)), ways.ddp(8), 2.0**28
    traces = {16: step.trace(16)}
    batch, peak = largest_batch(way, step, traces, memory)
    assert peak == way.peak(step.trace(batch)) <= memory
    assert way.peak(step.trace(batch + 1)) > memory


def test_traffic_by_hand():
    """1,000 weights of 4 bytes; 16 keys of 32 numbers."""
    moved = traffic(4000, ranks=8, batch=16, width=32)
    assert moved.ddp == 2 * 7 / 8 * 4000 == 7000
    assert moved.fsdp == 3 * 7 / 8 * 4000 == 10_500
    assert moved.keys == 7 * 16 * 32 * 4 == 14_336
    assert traffic(4000, ranks=1, batch=16, width=32) == (0, 0, 0)


def test_the_command(capsys):
    options = ['--gpu-memory', '1', '--batch-size', '8', '--tflops', '100']
    plan.main(['simclr_vit-tiny_demo', *options, '--ranks', '8'])
    out = capsys.readouterr().out
    for said in ('bf16', '8 processes', 'no activation checkpointing'):
        assert said in out
    for column in ('peak in 1', 'hours an epoch', 'FSDP2, MB'):
        assert column in out


@pytest.mark.slow
def test_the_plan_beside_real_steps(capsys):
    """Of a process of its own, whose libraries are in what it grows by."""
    plan.main([DEMO, '--batch-size', '256', '--check'])
    head, table = capsys.readouterr().out.split('\n\n')[:2]
    assert 'One process on a CPU, fp32, 3 steps.' in head
    row = [cell.strip() for cell in table.splitlines()[-1].split('|')]
    batch, planned, measured, ratio = map(float, row[1:-1])
    assert batch == 256
    assert ratio == pytest.approx(planned / measured, rel=0.01)
    assert 0.8 < ratio < 1.15


@pytest.mark.parametrize(
    'arguments, error',
    [
        (['ccmim_vit-bb'], 'did you mean ccmim_vit-b'),
        ([DEMO, '--gpus', '0'], '--gpus is 0: give more than 0'),
        ([DEMO, '--utilisation', '40'], 'give a share, as 0.4'),
        ([DEMO, '--cfg-options', 'x'], 'write KEY=VALUE'),
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
    with pytest.raises(SystemExit, match=error):
        plan.main(arguments)
