"""Contrasts of so many keys that their logits are taken in chunks."""

import math
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ccmim_mm.models.heads import info_nce

# Its function has its name.
MODULE = sys.modules[info_nce.__module__]


class Largest(TorchDispatchMode):
    """Keeps the size of the largest tensor that an operator gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple) else (out,):
            if isinstance(value, torch.Tensor):
                self.numel = max(self.numel, value.numel())
        return out


def views(batch: int) -> list[torch.Tensor]:
    drawn = torch.randn(
        2, batch, 8, generator=torch.Generator().manual_seed(0)
    )
    return [F.normalize(part, dim=1).requires_grad_() for part in drawn]


@pytest.mark.parametrize('rows', [1, 5, 12])
def test_chunks_have_the_value_and_gradient_of_the_whole(monkeypatch, rows):
    batch = 24
    queries, keys = views(batch)
    # cross entropy of the definition, in fp64
    own, other = (
        part.detach().double().requires_grad_() for part in (queries, keys)
    )
    logits = own @ other.T / 0.5
    expected = (logits.exp().sum(1).log() - logits.diagonal()).mean()
    expected.backward()

    monkeypatch.setattr(MODULE, 'MAX_LOGITS', rows * batch)
    with Largest() as largest:
        ce, accuracy = info_nce(queries, keys, 0.5)
        ce.backward()
    assert largest.numel <= max(rows * batch, batch * 8)
    torch.testing.assert_close(ce.double(), expected)
    torch.testing.assert_close(queries.grad.double(), own.grad)
    torch.testing.assert_close(keys.grad.double(), other.grad)
    found = (logits.argmax(1) == torch.arange(batch)).double().mean()
    assert math.isclose(accuracy, found, abs_tol=1e-6)
