"""Every layer a shard of its own: the layer is a module, called as one."""

import copy

import pytest
import torch
from conftest import TINY, build, samples
from dist_helpers import run_ranks
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

pytestmark = pytest.mark.slow

BATCH = 4


def one_rank(rank, sharded):
    """Losses of two steps on this rank's pictures."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(2 * BATCH, 3, 32, 32, generator=generator)
    noise = torch.rand(2 * BATCH, 16, generator=generator)
    own = slice(rank * BATCH, (rank + 1) * BATCH)
    model = build(copy.deepcopy(TINY))
    if sharded:
        mesh = init_device_mesh('cpu', (2,))
        layers = [
            module
            for module in model.modules()
            if isinstance(module, TransformerEncoderLayer)
        ]
        for layer in layers:
            fully_shard(layer, mesh=mesh)
        wrapped = fully_shard(model, mesh=mesh)
        # Two layers of the decoder, three of the encoder.
        assert len(layers) == 5
        weight = model.backbone.layers[0].attn.qkv.weight
        assert isinstance(weight, DTensor)
        assert weight.to_local().shape[0] * 2 == weight.shape[0]
    else:
        wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-3
    )
    found = []
    for _ in range(2):
        losses = wrapped(images[own], samples(noise[own]), mode='loss')
        (losses['loss_rec'] + losses['loss_align']).backward()
        optimizer.step()
        optimizer.zero_grad()
        found += [losses['loss_rec'].item(), losses['loss_align'].item()]
    return found


def test_sharded_layers_give_the_losses_of_ddp():
    replicated = run_ranks(one_rank, args=(False,))
    sharded = run_ranks(one_rank, args=(True,))
    for mine, expected in zip(sharded, replicated, strict=True):
        torch.testing.assert_close(
            torch.tensor(mine), torch.tensor(expected), rtol=1e-6, atol=1e-6
        )
