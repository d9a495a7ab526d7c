import copy
from types import SimpleNamespace

import pytest
import torch
from conftest import TINY, build
from mmpretrain.models import VisionTransformer

from ccmim_mm.checkpoints import convert
from ccmim_mm.checkpoints.load import load_pretrained
from ccmim_mm.models import WindowedViT


def load_backbone(vit, *args, **kwargs):
    """Into a model for another task, that is into its backbone."""
    return load_pretrained(SimpleNamespace(backbone=vit), *args, **kwargs)


ARCH = TINY['backbone']['arch']


@pytest.fixture(scope='module')
def state():
    """A pre-training checkpoint: 3 layers, 4x4 patches of 8 pixels."""
    return build(copy.deepcopy(TINY)).state_dict()


def loaded(backbone, state):
    own = backbone.state_dict()
    return [
        name
        for name in own
        if f'backbone.{name}' in state
        and torch.equal(own[name], state[f'backbone.{name}'])
    ]


def test_a_classifier_with_mean_pooling(state):
    vit = VisionTransformer(
        ARCH, 32, 8, out_type='avg_featmap', final_norm=False
    )
    report = load_backbone(vit, state)
    assert str(report) == (
        'loaded 40 of 42 backbone tensors; unused by design: ln1.*; new: ln2.*'
    )
    assert sorted(loaded(vit, state)) == sorted(report.loaded)


def test_additions_of_a_backbone_are_loaded_layer_by_layer(state):
    """Relative positions of some layers only: the others start fresh."""
    vit = WindowedViT(ARCH, 64, 8, num_global=3)
    name = 'layers.1.attn.rel_pos_h'
    table = torch.randn_like(vit.state_dict()[name])
    report = load_backbone(vit, {**state, f'backbone.{name}': table})
    assert name in report.loaded
    assert torch.equal(vit.state_dict()[name], table)
    assert len(report.new) == 5


def test_a_detector_at_another_size(state):
    vit = WindowedViT(ARCH, 64, 8, num_global=3)
    report = load_backbone(vit, state)
    assert str(report) == (
        'loaded 39 of 45 backbone tensors (pos_embed 4x4 -> 8x8); unused by '
        'design: cls_token, ln1.*; new: rel_pos_h (3), rel_pos_w (3)'
    )
    assert len(loaded(vit, state)) == 38
    # The corners of the resized table are near those of the table.
    table = state['backbone.pos_embed'][0, 1]
    assert (vit.pos_embed[0, 0, 0] - table).abs().max() < 0.5
    assert vit.pos_embed.abs().max() > 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(embed_dims=48), r'first cls_token: .*\(1, 1, 48\).*\(1, 1, 32'),
        (dict(num_layers=4), 'first layers.3.attn.proj.bias: .* nothing'),
        (dict(num_layers=2), 'first layers.2.attn.proj.bias: .* nothing'),
    ],
)
def test_another_width_or_depth_is_refused(state, change, message):
    vit = VisionTransformer(ARCH | change, 32, 8, out_type='featmap')
    before = copy.deepcopy(vit.state_dict())
    with pytest.raises(ValueError, match=message):
        load_backbone(vit, state)
    for name, value in vit.state_dict().items():
        assert torch.equal(value, before[name])


def test_unless_it_is_allowed(state):
    vit = VisionTransformer(ARCH | dict(num_layers=4), 32, 8, out_type='raw')
    report = load_backbone(vit, state, allow_partial=True)
    assert len(report.unexplained) == 12
    assert str(report).endswith('unexplained: layers.3.*')
    assert 'layers.2.ln1.weight' in loaded(vit, state)


def test_a_decoder_of_another_shape_starts_fresh_as_a_whole():
    deeper = copy.deepcopy(TINY)
    deeper['neck']['decoder_depth'] = 3
    wider = copy.deepcopy(TINY)
    wider['neck']['decoder_embed_dim'] = 24
    state = build(copy.deepcopy(TINY)).state_dict()
    for cfg in (deeper, wider):
        model = build(cfg, seed=1)
        total = sum(n.startswith('neck.') for n in model.state_dict())
        account = load_pretrained(model, state)
        assert f'new: neck.* ({total})' in str(account)
    # What is there too much of is another network, and said.
    with pytest.raises(ValueError, match=r'first neck\.decoder_blocks\.2'):
        load_pretrained(build(copy.deepcopy(TINY)), build(deeper).state_dict())


def test_a_mask_token_may_come_and_go():
    with_token = copy.deepcopy(TINY)
    with_token['backbone']['mask_token'] = True
    state = build(with_token).state_dict()
    plain = load_pretrained(build(copy.deepcopy(TINY)), state)
    assert plain.unused == ['backbone.mask_token']
    back = build(copy.deepcopy(TINY)).state_dict()
    assert load_pretrained(build(with_token), back).new == [
        'backbone.mask_token'
    ]
    vit = VisionTransformer(ARCH, 32, 8, out_type='featmap')
    assert 'mask_token' in load_backbone(vit, state).unused
    assert 'backbone.mask_token' in convert(state, 'project', 'timm').left_out
