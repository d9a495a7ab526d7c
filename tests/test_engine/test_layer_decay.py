import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

import ccmim_mm  # noqa: F401 - registers the constructor
from ccmim_mm.models import WindowedViT

ARCH = dict(embed_dims=32, num_layers=4, num_heads=4, feedforward_channels=64)


class Detector(nn.Module):
    """What a detector is to an optimizer: a backbone and other things."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.neck = nn.Conv2d(32, 8, 1)
        self.backbone_like = nn.LayerNorm(8)


def build(model):
    cfg = dict(
        constructor='BackboneLayerDecayConstructor',
        optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
        paramwise_cfg=dict(
            layer_decay_rate=0.5, norm_decay_mult=0.0, bias_decay_mult=0.0
        ),
    )
    optimizer = build_optim_wrapper(model, cfg).optimizer
    return {g['param_name']: g for g in optimizer.param_groups}


def test_rates_and_decay_by_depth():
    groups = build(Detector(WindowedViT(ARCH, 64, 8)))
    expected = {
        'backbone.pos_embed': 2**-5,
        'backbone.patch_embed.projection.weight': 2**-5,
        'backbone.layers.0.attn.qkv.weight': 2**-4,
        'backbone.layers.3.attn.rel_pos_h': 2**-1,
        'neck.weight': 1,
        'backbone_like.weight': 1,
    }
    for name, scale in expected.items():
        assert groups[name]['lr'] == pytest.approx(scale), name
    assert groups['backbone.layers.1.ln1.weight']['weight_decay'] == 0
    assert groups['neck.bias']['weight_decay'] == 0
    assert groups['neck.weight']['weight_decay'] == 0.1


def test_every_trained_parameter_is_in_one_group():
    model = Detector(WindowedViT(ARCH, 64, 8))
    assert build(model).keys() == {n for n, _ in model.named_parameters()}


def test_a_backbone_without_depth_is_refused():
    with pytest.raises(ValueError, match='Conv2d as model'):
        build(Detector(nn.Conv2d(3, 8, 1)))
