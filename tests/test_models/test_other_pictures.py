"""Models of pictures of other channels and of two sides."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as F
from conftest import build, release_state, samples
from contrastive_models import model_cfg
from mmengine.optim import OptimWrapper
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from other_pictures import GRID, METHODS, SIZE, ccmim, model_of, views_of
from plain_vit import HEADS, WIDTH, as_timm, forward, random_vit

from ccmim_mm.checkpoints import convert
from ccmim_mm.engine import PanelHook
from ccmim_mm.models import FrozenTeacher, MaskedPretrainDecoder
from ccmim_mm.models.teachers.picture_targets import PatchHOG, PatchPixels
from ccmim_mm.positions import sincos_table
from ccmim_mm.visualization.panel import to_picture

PATCHES = GRID[0] * GRID[1]


def plain_table(rows, columns, width):
    """Sine and cosine of each patch's row, then of its column."""
    table = [np.zeros(width)]
    rates = 10000.0 ** -(np.arange(width // 4) / (width // 4))
    for row in range(rows):
        for column in range(columns):
            angles = row * rates, column * rates
            parts = [f(a) for a in angles for f in (np.sin, np.cos)]
            table.append(np.concatenate(parts))
    return torch.from_numpy(np.stack(table)).float()[None]


@pytest.mark.parametrize('grid', [(4, 6), (6, 4), (1, 5), (3, 3)])
def test_positions_are_by_row_and_column_in_raster_order(grid):
    expected = plain_table(*grid, 32)
    torch.testing.assert_close(
        sincos_table(grid, 32), expected, rtol=0, atol=1e-6
    )


def test_positions_of_a_square_are_mmpretrains_to_the_bit():
    theirs = build_2d_sincos_position_embedding(7, 64, cls_token=True)
    assert torch.equal(sincos_table(7, 64), theirs)
    assert torch.equal(sincos_table((7, 7), 64), theirs)


def test_a_new_models_tables_are_of_its_grid():
    model = build(ccmim(5))
    for table, width in (
        (model.backbone.pos_embed, 32),
        (model.neck.decoder_pos_embed, 16),
    ):
        expected = plain_table(*GRID, width)
        torch.testing.assert_close(table.data, expected, rtol=0, atol=1e-6)
        assert not table.requires_grad


@pytest.mark.parametrize('method', ['mocov3', 'simclr'])
def test_a_contrastive_vits_fixed_table_is_in_raster_order(method):
    """mmpretrain's own is column by column where rows and columns differ."""
    cfg = model_cfg(method, **{'backbone.img_size': SIZE})
    cfg['backbone'].pop('init_cfg', None)
    model = build(cfg)
    table = model.backbone.pos_embed
    expected = plain_table(*GRID, 32)
    torch.testing.assert_close(table.data, expected, rtol=0, atol=1e-6)
    assert not table.requires_grad
    if method == 'mocov3':
        # The average begins with its first step, as a copy.
        model.momentum_encoder.update_parameters(
            torch.nn.Sequential(model.backbone, model.neck)
        )
        assert torch.equal(model.momentum_encoder.module[0].pos_embed, table)


@pytest.mark.parametrize('masked_grad', [False, True])
def test_losses_and_gradients_equal_the_reference(masked_grad):
    model = build(ccmim(13) | dict(masked_grad=masked_grad))
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 13, *SIZE, generator=generator)
    noise = torch.rand(6, PATCHES, generator=generator)
    losses = model.loss(images, samples(noise))
    (losses['loss_rec'] + losses['loss_align']).backward()
    state = release_state(model)
    expected = reference.step(state, images, noise, masked_grad=masked_grad)
    (expected['loss_rec'] + expected['loss_align']).backward()
    grads = {n: v.grad for n, v in state.items() if v.grad is not None}
    grads = convert(state | grads, 'ccmim', 'project').state
    for name in ('loss_rec', 'loss_align'):
        torch.testing.assert_close(
            losses[name], expected[name], rtol=1e-5, atol=0
        )
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert 'neck.decoder_pred.weight' in trained
    for name, parameter in trained.items():
        error = (parameter.grad - grads[name]).norm() / grads[name].norm()
        assert error < 1e-4, name


def test_patches_are_the_references_and_the_way_back_is_whole():
    head = build(ccmim(13)).head
    images = torch.randn(2, 13, *SIZE)
    patches = head.patchify(images)
    assert torch.equal(patches, reference.patchify(images, 8))
    assert torch.equal(head.unpatchify(patches, SIZE), images)
    square = images[..., :32]
    assert torch.equal(head.unpatchify(head.patchify(square)), square)
    # Each patch gets back the mean and the spread that were taken out.
    target = head.construct_target(images)
    torch.testing.assert_close(
        head.to_pictures(target, images), images, rtol=0, atol=1e-4
    )
    assert head.to_pictures(target[..., :192], images) is None


def drawn_panel(model, inputs, folder):
    """What a panel's hook hands to the visualizer."""
    seen = []
    runner = SimpleNamespace(
        model=model,
        work_dir=folder,
        iter=0,
        logger=logging.getLogger('panel'),
        visualizer=SimpleNamespace(add_image=lambda *a, **_: seen.append(a)),
    )
    hook = PanelHook(dict())
    hook.batch = dict(inputs=inputs, data_samples=None)
    hook.draw(runner, 1)
    assert (folder / 'panels/epoch_0001.png').is_file()
    ((_, picture),) = seen
    return picture


@pytest.mark.parametrize('name', METHODS)
def test_every_method_takes_a_step_and_draws_a_panel(name, tmp_path):
    model = model_of(name, 4, tmp_path)
    data = dict(
        inputs=views_of(name, 4, 4), data_samples=samples(torch.zeros(4, 0))
    )
    for sample in data['data_samples']:
        sample.set_field(np.random.rand(PATCHES), 'mask_noise')
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    before = {n: p.detach().clone() for n, p in trained.items()}
    optimizer = torch.optim.SGD(trained.values(), lr=0.1)
    log = model.train_step(data, OptimWrapper(optimizer))
    assert torch.isfinite(log['loss'])
    moved = {n for n, p in trained.items() if not torch.equal(p, before[n])}
    first = next(n for n in trained if n.startswith('backbone.'))
    assert first in moved
    inputs = views_of(name, 3, 4)
    inputs = inputs[0] if isinstance(inputs, list) else inputs
    picture = drawn_panel(model, inputs, tmp_path)
    assert picture.dtype == np.uint8 and picture.std() > 10
    normal = model.data_preprocessor(dict(inputs=inputs, data_samples=None))
    panel = model.eval().panel(normal['inputs'], 0)
    for title, values in panel.items():
        assert torch.isfinite(values).all(), title
        if values.ndim == 2:
            assert values.shape == (3, PATCHES), title
        else:
            assert values.shape[-2:] == SIZE, title


def test_patch_values_stand_where_the_patches_are():
    values = torch.arange(24.0)[None]
    spread = to_picture(values, SIZE)[0, 0]
    for row, column in ((0, 5), (3, 0), (2, 4)):
        part = spread[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        assert (part == 6 * row + column).all()
    with pytest.raises(ValueError, match=r'25 square .* 32 x 48 pixels'):
        to_picture(torch.zeros(1, 25), SIZE)


def test_a_teachers_targets_are_of_its_channels_and_grid(tmp_path):
    """A checkpoint of a square grid gets positions between."""
    state = random_vit(channels=4)
    torch.save(as_timm(state), tmp_path / 'teacher.pth')
    teacher = FrozenTeacher(
        str(tmp_path / 'teacher.pth'),
        heads=HEADS,
        grid=GRID,
        img_size=SIZE,
        pixels=([1.0] * 4, [2.0] * 4),
        target_norm='none',
    )
    images = torch.randn(2, 4, *SIZE)
    first, rest = state['pos_embed'].split([1, 16], 1)
    rest = rest.reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    rest = F.interpolate(rest, GRID, mode='bicubic')
    table = torch.cat((first, rest.flatten(2).mT), 1)
    # Channels other than RGB are normalised as the student's are.
    expected = forward(state | dict(pos_embed=table), images)[:, 1:]
    torch.testing.assert_close(
        teacher(images).patches, expected, rtol=1e-4, atol=1e-4
    )


def test_pixels_as_targets_are_normalised_patches_in_raster_order():
    images = torch.randn(2, 5, *SIZE)
    patches = reference.patchify(images, 8)
    expected = patches - patches.mean(-1, keepdim=True)
    expected /= (patches.var(-1, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(PatchPixels(GRID)(images), expected)


def test_gradients_as_targets_are_of_the_same_place():
    """Of the left of a wide picture, of the top of a tall one."""
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 96)
    whole = PatchHOG((4, 6))(images).unflatten(1, (4, 6))
    part = PatchHOG((4, 4))(images[..., :64]).unflatten(1, (4, 4))
    assert whole.shape == (1, 4, 6, 108)
    torch.testing.assert_close(whole[:, :, :3], part[:, :, :3])
    tall = PatchHOG((6, 4))(images.mT).unflatten(1, (6, 4))
    part = PatchHOG((4, 4))(images.mT[..., :64, :]).unflatten(1, (4, 4))
    torch.testing.assert_close(tall[:, :3], part[:, :3])


def test_parts_that_do_not_fit_name_what_would():
    def refused(message, **changes):
        cfg = ccmim(13)
        for part, values in changes.items():
            cfg[part].update(values)
        with pytest.raises(ValueError, match=message) as caught:
            build(cfg)
        assert '\n' not in str(caught.value)

    swapped = dict(num_patches=(6, 4))
    refused(r'num_patches=24 .* set it to \(4, 6\)', neck=swapped)
    refused(
        r'head\.in_channels=3 but .* 13 channels: set it to 13, and model\.ne',
        head=dict(in_channels=3),
    )
    refused(
        r'img_size=\(32, 44\) is not .* e\.g\. \(32, 40\)',
        backbone=dict(img_size=(32, 44)),
    )
    refused('mean of 13 channels and a std of 2', data_preprocessor=dict(
        std=[1.0, 1.0]
    ))  # fmt: skip
    refused('RUNNERS.build', data_preprocessor=dict(mean='of the pictures'))
    refused(r'\(1, 2, 3\) is no size', backbone=dict(img_size=(1, 2, 3)))
    with pytest.raises(ValueError, match=r'24 is no square: give rows and'):
        MaskedPretrainDecoder(num_patches=24)


def test_pictures_that_do_not_fit_are_said_to_be():
    backbone = build(ccmim(13)).backbone
    with pytest.raises(ValueError, match=r'48 x 32 pixels but .*\(32, 48\)'):
        backbone.embed(torch.zeros(1, 13, 48, 32))
    with pytest.raises(
        ValueError, match=r'4 channels but .* --channels 4 set'
    ):
        backbone.embed(torch.zeros(1, 4, *SIZE))


def test_teachers_of_other_channels_are_refused(tmp_path):
    torch.save(as_timm(random_vit()), tmp_path / 'rgb.pth')
    sizes = dict(grid=GRID, img_size=SIZE, pixels=([0.0] * 4, [1.0] * 4))
    teacher = FrozenTeacher(str(tmp_path / 'rgb.pth'), heads=HEADS, **sizes)
    with pytest.raises(
        ValueError, match=r'of 3 channels, and .* have 4: take'
    ):
        teacher.prepare()
    with pytest.raises(
        ValueError, match=r'have 4 channels: .*kind=pixel take'
    ):
        FrozenTeacher(kind='hog', **sizes).prepare()
