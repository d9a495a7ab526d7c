"""A GPU's step on a machine without one: fake tensors on ``cuda``.

They have no values, so whatever waits for one (``.item()``, a comparison, a
mask that picks rows) raises, and a copy back to the CPU is seen.
"""

import numpy as np
import pytest
import torch
from conftest import load
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from test_configs import PATHS, TEACHER_PATHS
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ccmim_mm.models import IMAE, FrozenTeacher
from ccmim_mm.models.teachers.preprocess import Preprocess


class NothingComesBack(TorchDispatchMode):
    """No operation makes a CPU tensor of one on the GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        before, after = (
            [t.device.type for t in tree_leaves(x) if torch.is_tensor(t)]
            for x in ((args, kwargs), out)
        )
        assert not ('cuda' in before and 'cpu' in after), func
        return out


def step(config, plant=None):
    """Losses of a step of four pictures, in training mode."""
    with torch.device('cuda'):
        model = MODELS.build(config.model).train()
        size = model.backbone.img_size
        inputs = torch.empty(4, 3, *size)
        if isinstance(model, IMAE):
            inputs = [inputs, inputs]
    dtypes = set()
    layer = model.backbone.layers[0].ffn
    linear = layer.layers[1]
    if model.neck is not None:
        linear = model.neck.decoder_pred
    linear.register_forward_hook(lambda *a: dtypes.add(a[2].dtype))
    if plant is not None:
        model.head.register_forward_pre_hook(plant)
        layer.register_forward_hook(plant)
    carried = [DataSample() for _ in range(4)]
    for sample in carried:
        noise = np.zeros(model.num_patches, np.float32)
        sample.set_field(noise, 'mask_noise')
    with (
        NothingComesBack(),
        torch.autocast('cuda', dtype=torch.bfloat16),
    ):
        losses = model.loss(inputs, carried)
    return losses, dtypes


@pytest.mark.usefixtures('gpu')
@pytest.mark.parametrize('path', PATHS)
def test_a_step_stays_on_the_gpu(path):
    losses, dtypes = step(load(path))
    assert 'loss_rec' in losses
    for name, value in losses.items():
        assert value.device.type == 'cuda', name
        assert value.shape == (), name
    assert torch.bfloat16 in dtypes


@pytest.mark.usefixtures('gpu')
@pytest.mark.parametrize('path', TEACHER_PATHS)
def test_a_step_with_a_teacher_stays_on_the_gpu(path, monkeypatch):
    config = load(path)

    def read(self, trust):
        """A teacher of its width, of other pixels, with no file."""
        neck = config.model.get('neck')
        width = 64 if neck else config.model.head.out_channels
        arch = dict(
            embed_dims=width,
            num_layers=1,
            num_heads=4,
            feedforward_channels=width,
        )
        side = 16 * self.grid[0]
        with torch.device('cuda'):
            self._network = VisionTransformer(arch, side, 16, out_type='raw')
            if neck:
                embed = torch.nn.Linear(width, neck.decoder_embed_dim)
                self._network.decoder_embed = embed
            self._network.requires_grad_(False)
            own = [0.0] * 3, [1.0] * 3
            self.preprocess = Preprocess((side, side), self.pixels, own)
        # It is where the first pictures are.
        self._device = next(self._network.parameters()).device

    monkeypatch.setattr(FrozenTeacher, '_read', read)
    losses, dtypes = step(config)
    assert any(name.startswith('loss') for name in losses)
    for name, value in losses.items():
        assert value.device.type == 'cuda', name
        assert value.shape == (), name
    assert torch.bfloat16 in dtypes


@pytest.mark.usefixtures('gpu')
def test_what_waits_for_the_device_is_seen():
    config = load('ccmim_vit-tiny_demo')
    with pytest.raises(DataDependentOutputException):
        step(config, lambda module, args, out: out.sum().item())
    with pytest.raises(AssertionError, match='copy'):
        step(config, lambda module, args, out: out.cpu() and None)
