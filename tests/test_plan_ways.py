"""``ccmim plan``: ways, the search and laws against sums by hand."""

import numpy as np
import pytest
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch import nn

from ccmim_tools.planning import ways
from ccmim_tools.planning.fake_step import Trace
from ccmim_tools.planning.laws import traffic
from ccmim_tools.planning.search import largest_batch


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


def test_traffic_by_hand():
    """1,000 weights of 4 bytes; 16 keys of 32 numbers."""
    moved = traffic(4000, ranks=8, batch=16, width=32)
    assert moved.ddp == 2 * 7 / 8 * 4000 == 7000
    assert moved.fsdp == 3 * 7 / 8 * 4000 == 10_500
    assert moved.keys == 7 * 16 * 32 * 4 == 14_336
    assert traffic(4000, ranks=1, batch=16, width=32) == (0, 0, 0)
