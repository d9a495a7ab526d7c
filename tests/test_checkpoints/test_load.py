import copy
from types import SimpleNamespace

import pytest
import torch
from conftest import TINY, build
from mmpretrain.models import VisionTransformer

from ccmim_mm.checkpoints import convert, heads_of
from ccmim_mm.models import WindowedViT
from ccmim_mm.models.loading import load_for_test, load_pretrained

ARCH = TINY['backbone']['arch']
#: What a run's checkpoint tells.
HEADS = {f'backbone.layers.{i}.attn': ARCH['num_heads'] for i in range(4)}


def load_backbone(vit, *args, heads=HEADS, **kwargs):
    """Into a model for another task, that is into its backbone."""
    other = SimpleNamespace(backbone=vit)
    return load_pretrained(other, *args, heads=heads, **kwargs)


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


def test_another_number_of_heads_is_refused(state):
    """Shapes agree, and nothing would mean what it did."""
    halved = ARCH | dict(num_heads=2)
    for vit in (
        VisionTransformer(halved, 32, 8, out_type='featmap'),
        WindowedViT(halved, 64, 8, num_global=3),
    ):
        before = copy.deepcopy(vit.state_dict())
        with pytest.raises(
            ValueError, match=r'0\.attn has 2 heads here and 4'
        ):
            load_backbone(vit, state)
        for name, value in vit.state_dict().items():
            assert torch.equal(value, before[name])
        # A file that does not tell is believed, and it is said.
        report = load_backbone(vit, state, heads={})
        assert str(report).endswith(
            "num_heads is the config's, the file does not tell"
        )
    fewer = copy.deepcopy(TINY)
    fewer['neck']['decoder_num_heads'] = 4
    told = heads_of(build(copy.deepcopy(TINY)))
    assert told['neck.decoder_blocks.1.attn'] == 2
    for load in (load_pretrained, load_for_test):
        with pytest.raises(ValueError, match=r'decoder_blocks\.0\.attn has 4'):
            load(build(fewer), state, heads=told)
        assert load(build(copy.deepcopy(TINY)), state, heads=told).heads
    # A decoder that starts fresh may have any.
    fewer['neck']['decoder_depth'] = 3
    assert load_pretrained(build(fewer), state, heads=told).heads


@pytest.mark.parametrize(
    'table',
    [
        torch.zeros(1, 17, 24),
        torch.zeros(17, 32),
        torch.zeros(1, 4, 4, 32),
        torch.zeros(1, 66, 32),
        torch.zeros(1, 16, 32),
        torch.zeros(2, 17, 32),
        torch.zeros(0),
        torch.tensor(1.0),
    ],
    ids=lambda table: str(tuple(table.shape)),
)
def test_position_tables_of_other_shapes_are_refused(state, table):
    state = state | {'backbone.pos_embed': table}
    model = build(copy.deepcopy(TINY))
    bare = VisionTransformer(
        ARCH, 64, 8, with_cls_token=False, out_type='featmap'
    )
    windowed = WindowedViT(ARCH, 64, 8, num_global=3)
    loads = [
        lambda: load_pretrained(model, state),
        lambda: load_for_test(model, state),
        lambda: load_backbone(bare, state),
    ]
    # A map of positions is another detector's, and is resized.
    if table.ndim != 4:
        loads.append(lambda: load_backbone(windowed, state))
    for load in loads:
        with pytest.raises(ValueError, match=r'first \S*pos_embed: the model'):
            load()


@pytest.mark.parametrize(
    'kind', [torch.int8, torch.uint8, torch.int64, torch.bool]
)
def test_numbers_of_another_kind_are_not_cast(state, kind):
    name = 'backbone.layers.0.attn.qkv.weight'
    model = build(copy.deepcopy(TINY), seed=1)
    before = model.state_dict()[name].clone()
    changed = state | {name: torch.ones_like(state[name]).to(kind)}
    for allowed in (False, True):
        with pytest.raises(ValueError, match=f'{name} is of .*dequantize'):
            load_pretrained(model, changed, allow_partial=allowed)
    with pytest.raises(ValueError, match='dequantize'):
        load_for_test(model, changed)
    vit = VisionTransformer(ARCH, 32, 8, out_type='featmap')
    with pytest.raises(ValueError, match='dequantize'):
        load_backbone(vit, changed)
    assert torch.equal(model.state_dict()[name], before)
    counter = 'align_head.projector.bn0.num_batches_tracked'
    with pytest.raises(ValueError, match=f'{counter} is of torch.float32'):
        load_pretrained(model, state | {counter: torch.tensor(1.0)})


def test_halves_are_floats(state):
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
    }
    model = build(copy.deepcopy(TINY), seed=1)
    load_pretrained(model, halves)
    name = 'backbone.layers.0.attn.qkv.weight'
    assert torch.equal(model.state_dict()[name], halves[name].float())
