import copy

import pytest
import reference
import torch
from conftest import TINY, build, release_state, samples
from dist_helpers import run_ranks
from mmengine.dist import all_gather
from torch.nn.parallel import DistributedDataParallel

from ccmim_mm.checkpoints import convert

pytestmark = pytest.mark.slow

BATCH = 4


def batch():
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(2 * BATCH, 3, 32, 32, generator=generator)
    noise = torch.rand(2 * BATCH, 16, generator=generator)
    return images, noise


def one_rank(rank, masked_grad):
    """A DDP step on this rank's half; DDP would fail on unused parameters."""
    images, noise = (
        part[rank * BATCH : (rank + 1) * BATCH] for part in batch()
    )
    model = build(copy.deepcopy(TINY) | dict(masked_grad=masked_grad))
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    losses = wrapped(images, samples(noise), mode='loss')
    (losses['loss_rec'] + losses['loss_align']).backward()
    keys = torch.cat(all_gather(images[:, 0, 0, 0].contiguous()))
    return dict(
        rec=losses['loss_rec'].item(),
        align=losses['loss_align'].item(),
        keys=keys.numpy(),
        grads={
            name: p.grad.numpy()
            for name, p in model.named_parameters()
            if p.requires_grad
        },
    )


@pytest.mark.parametrize('masked_grad', [False, True])
def test_two_ranks_equal_the_single_process_reference(masked_grad):
    results = run_ranks(one_rank, args=(masked_grad,))
    images, noise = batch()
    model = build(copy.deepcopy(TINY))
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    state = release_state(model)
    expected = reference.step(
        state, images, noise, ranks=2, masked_grad=masked_grad
    )
    (expected['loss_rec'] + expected['loss_align']).backward()
    grads = {n: v.grad for n, v in state.items() if v.grad is not None}
    grads = convert(state | grads, 'ccmim', 'project').state
    for name in ('rec', 'align'):
        mean = torch.tensor([r[name] for r in results]).mean()
        torch.testing.assert_close(
            mean, expected[f'loss_{name}'].detach(), rtol=1e-5, atol=0
        )
    for r in results:
        assert (r['keys'] == images[:, 0, 0, 0].numpy()).all()
        for name in trained:
            grad = torch.from_numpy(r['grads'][name])
            error = (grad - grads[name]).norm()
            # Sums in another order, through layers that amplify.
            assert error / grads[name].norm() < 1e-4, name
