"""Fixed positions of grids that are no squares, into other grids."""

import copy

import pytest
import torch
import torch.nn.functional as F
from conftest import build
from mmpretrain.models import VisionTransformer

from ccmim_mm.checkpoints import positions
from ccmim_mm.checkpoints.load import load
from ccmim_mm.checkpoints.match import INTO_BACKBONE, TO_TEST
from ccmim_mm.checkpoints.positions import fit_positions
from ccmim_mm.models import MaskedViT
from ccmim_mm.models.loading import load_pretrained
from ccmim_mm.models.necks import masked_pretrain_decoder
from ccmim_mm.positions import grid_of_table, sincos_table

ARCH = dict(embed_dims=32, num_layers=1, num_heads=2, feedforward_channels=32)


def encoder(kind, size):
    vit = kind(arch=ARCH, img_size=size, patch_size=8)
    vit.init_weights()
    return vit


def saved(size):
    state = encoder(MaskedViT, size).state_dict()
    return {f'backbone.{name}': value for name, value in state.items()}


@pytest.mark.parametrize('grid', [(4, 16), (16, 4), (8, 8), (1, 7), (3, 5)])
def test_a_fixed_table_tells_its_grid(grid):
    table = sincos_table(grid, 32)
    assert grid_of_table(table) == grid
    assert grid_of_table(table.half()) == grid


def test_a_learnt_table_tells_nothing():
    table = sincos_table((4, 16), 32)
    assert grid_of_table(table + 0.05 * torch.randn_like(table)) is None


@pytest.mark.parametrize('kind', [MaskedViT, VisionTransformer])
@pytest.mark.parametrize('size', [(32, 128), (64, 96)])
def test_another_grid_is_resized_by_rows_and_columns(kind, size):
    state = saved(size)
    vit = encoder(kind, 64)
    load(vit, state, INTO_BACKBONE._replace(new=TO_TEST.unused))
    rows, columns = size[0] // 8, size[1] // 8
    table = state['backbone.pos_embed'][:, 1:].unflatten(1, (rows, columns))
    expected = F.interpolate(
        table.permute(0, 3, 1, 2), (8, 8), mode='bicubic', align_corners=False
    )
    found = vit.pos_embed[:, 1:].unflatten(1, (8, 8)).permute(0, 3, 1, 2)
    assert torch.allclose(found, expected, atol=1e-6)
    # Not as it lies there, though 4 x 16 are as many.
    if rows * columns == 64:
        assert not torch.allclose(
            found,
            vit.pos_embed.new_tensor(
                table.flatten(1, 2).unflatten(1, (8, 8)).permute(0, 3, 1, 2)
            ),
            atol=1e-2,
        )


def test_the_same_grid_is_taken_as_it_is():
    state = saved((32, 128))
    vit = encoder(MaskedViT, (32, 128))
    load(vit, state, INTO_BACKBONE)
    assert vit.pos_embed.equal(state['backbone.pos_embed'])


def test_what_is_judged_is_not_resized():
    model = torch.nn.Module()
    model.backbone = encoder(MaskedViT, 64)
    with pytest.raises(ValueError, match='of 4 x 16 patches, and the model'):
        load(model, saved((32, 128)), TO_TEST)


def test_a_decoder_keeps_its_own_positions(tiny_cfg, monkeypatch):
    """Of 2 x 8 patches into 4 x 4, which are as many."""
    wide = copy.deepcopy(tiny_cfg)
    wide['backbone']['img_size'] = 16, 64
    wide['neck']['num_patches'] = 2, 8
    state = build(wide).state_dict()
    model = build(tiny_cfg, seed=1)
    own = model.neck.decoder_pos_embed.clone()
    assert not own.equal(state['neck.decoder_pos_embed'])
    said = []
    monkeypatch.setattr(
        masked_pretrain_decoder, 'print_log', lambda text, _: said.append(text)
    )
    load_pretrained(model, state)
    assert said == ['the decoder keeps its own positions']
    assert model.neck.decoder_pos_embed.equal(own)
    assert model.neck.decoder_pred.weight.equal(
        state['neck.decoder_pred.weight']
    )


def test_a_learnt_table_of_no_square_is_refused_with_what_helps():
    state = saved((64, 96))
    noise = 0.05 * torch.randn_like(state['backbone.pos_embed'])
    state['backbone.pos_embed'] += noise
    message = r'96 patches are no square.*do not tell their rows: --img-size'
    with pytest.raises(ValueError, match=message):
        load(encoder(MaskedViT, 64), state, INTO_BACKBONE)


@pytest.mark.parametrize(
    ('size', 'policy', 'warned'),
    [
        ((32, 128), INTO_BACKBONE, True),
        ((64, 64), INTO_BACKBONE, False),
        # Of its own config.
        ((32, 128), INTO_BACKBONE._replace(resize=False), False),
    ],
)
def test_a_learnt_table_that_may_be_a_squares_is_warned_of(
    size, policy, warned, monkeypatch
):
    lines = []
    monkeypatch.setattr(
        positions, 'print_log', lambda line, *args: lines.append(line)
    )
    state = saved((64, 64))
    noise = 0.05 * torch.randn_like(state['backbone.pos_embed'])
    state['backbone.pos_embed'] += noise
    fit_positions(encoder(MaskedViT, size), state, policy)
    assert len(lines) == warned
    assert not warned or 'as of 4 x 16 patches, row by row: if t' in lines[0]
