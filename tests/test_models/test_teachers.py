"""Frozen teachers: their weights, pictures, grids, and what they are not."""

import copy
from types import SimpleNamespace

import plain_vit
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import (
    HOGGenerator,
    MAEPretrainHead,
    VisionTransformer,
)
from plain_vit import DEPTH, GRID, HEADS, WIDTH, forward, random_vit

from ccmim_mm.checkpoints import (
    convert,
    detect_format,
    heads_of,
    read_as_project,
)
from ccmim_mm.models import FrozenTeacher
from ccmim_mm.models.loading import load_pretrained
from ccmim_mm.models.plain_vit import CLIP, IMAGENET
from ccmim_tools import convert_checkpoint

FILES = {
    'timm': plain_vit.as_timm,
    'dino': plain_vit.as_dino,
    'dino, of several processes': lambda s: plain_vit.as_dino(s, 'module.'),
    'mocov3': plain_vit.as_mocov3,
    'clip_visual': plain_vit.as_clip,
    'clip_visual, alone': lambda s: plain_vit.as_clip(s, text=False),
    'project': plain_vit.as_project,
}


def teacher_of(checkpoint=None, pixels=IMAGENET, img_size=32, **options):
    if checkpoint is not None:
        checkpoint = str(checkpoint)
        options.setdefault('heads', HEADS)
    return FrozenTeacher(
        checkpoint, grid=GRID, img_size=img_size, pixels=pixels, **options
    )


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 32, 32, generator=generator)


def saved(tmp_path, name='timm', **kwargs):
    state = random_vit(clip=name.startswith('clip'), **kwargs)
    path = tmp_path / 'teacher.pth'
    torch.save(FILES[name](state), path)
    return path, state


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('final', [False, True])
def test_its_tokens_are_those_of_a_plain_vit(name, final, images, tmp_path):
    path, state = saved(tmp_path, name)
    clip = name.startswith('clip')
    # Of its own pixels, so that these are the pictures that it sees.
    teacher = teacher_of(
        path,
        CLIP if clip else IMAGENET,
        target_norm='none',
        final_norm=final,
    )
    expected = forward(state, images, clip=clip, final=final)
    found = teacher(images)
    for part, wanted in (
        (found.patches, expected[:, 1:]),
        (found.image, expected[:, 0]),
    ):
        torch.testing.assert_close(part, wanted, rtol=1e-4, atol=1e-5)
    assert teacher.width == WIDTH


@pytest.mark.parametrize('layer', [0, -2])
def test_an_earlier_layer_is_all_that_is_computed(layer, images, tmp_path):
    path, state = saved(tmp_path)
    teacher = teacher_of(path, layer=layer, target_norm='none')
    layers = layer % DEPTH + 1
    expected = forward(state, images, layers=layers)[:, 1:]
    torch.testing.assert_close(
        teacher(images).patches, expected, rtol=1e-4, atol=1e-5
    )
    assert len(heads_of(teacher._network)) == layers


def test_every_tensor_of_a_file_is_accounted_for():
    for name, make in FILES.items():
        clip = name.startswith('clip')
        state = make(random_vit(clip=clip))
        for key in ('state_dict', 'teacher'):
            state = state.get(key, state)
        form = detect_format(state)
        assert form == name.partition(',')[0]
        ours, left_out = convert(state, form, 'project')
        assert len(ours) + len(left_out) == len(state)
        assert len(ours) == len(random_vit(clip=clip))
        if form == 'project':
            continue
        prefix = dict(mocov3='module.base_encoder.', dino='').get(form, '')
        strange = {f'{prefix}strange.weight': torch.zeros(1)}
        with pytest.raises(ValueError, match=r'1 of .* are unexplained'):
            convert(state | strange, form, 'project')
        if form != 'timm':
            with pytest.raises(ValueError, match='read, and not written'):
                convert(ours, 'project', form)


def test_heads_are_part_of_the_function(images, tmp_path, monkeypatch):
    path, state = saved(tmp_path, 'mocov3')
    with pytest.raises(ValueError, match=r'12 heads .*model\.teacher\.heads'):
        teacher_of(path, heads=None).prepare()
    found = [
        teacher_of(path, heads=heads, target_norm='none')(images).patches
        for heads in (2, 4)
    ]
    assert not torch.allclose(*found, atol=1e-3)
    expected = forward(state, images, heads=2)[:, 1:]
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)
    # Said to be MoCo v3's, though it has lost its names.
    torch.save(state, path)
    with pytest.raises(ValueError, match='12 heads'):
        teacher_of(path, heads=None, kind='mocov3').prepare()
    # mmpretrain's MoCo v3 has 12 too, and the names of this project.
    monkeypatch.setattr(plain_vit, 'WIDTH', 384)
    state = plain_vit.as_project(random_vit())
    torch.save(state, path)
    teacher = teacher_of(path, heads=None)
    teacher.prepare()
    assert {*heads_of(teacher._network).values()} == {6}
    average = {
        name.replace('backbone.', 'momentum_encoder.module.0.'): value
        for name, value in state.items()
    }
    torch.save(state | average, path)
    for encoder in ('online', 'momentum'):
        with pytest.raises(ValueError, match=r'12 heads .*teacher\.heads'):
            teacher_of(path, heads=None, encoder=encoder).prepare()
    teacher_of(path, heads=12).prepare()


@pytest.mark.parametrize('named', [True, False])
def test_the_official_moco_has_its_heads(named, tmp_path, monkeypatch):
    """Its ViT-S, by its names or said to be it."""
    monkeypatch.setattr(plain_vit, 'WIDTH', 384)
    state = random_vit()
    path = tmp_path / 'moco.pth'
    torch.save(plain_vit.as_mocov3(state) if named else state, path)
    for encoder in ('online', 'momentum')[: 1 + named]:
        teacher = teacher_of(
            path,
            heads=None,
            kind='auto' if named else 'mocov3',
            encoder=encoder,
        )
        teacher.prepare()
        assert {*heads_of(teacher._network).values()} == {12}


def test_a_converted_clip_is_the_same_teacher(images, tmp_path):
    path, _ = saved(tmp_path, 'clip_visual')
    convert_checkpoint.main([str(path), str(tmp_path / 'ours.pth')])
    one, other = (
        teacher_of(place, target_norm='none')(images).patches
        for place in (path, tmp_path / 'ours.pth')
    )
    assert torch.equal(one, other)


def test_moco_goes_into_no_model_of_other_heads(tmp_path):
    """MoCo v3's ViT-S, of one layer, into ours."""
    vit = {
        heads: VisionTransformer(
            dict(
                embed_dims=384,
                num_layers=1,
                num_heads=heads,
                feedforward_channels=16,
            ),
            32,
            16,
        )
        for heads in (6, 12)
    }
    state = vit[12].state_dict()
    ours = {f'backbone.{name}': value for name, value in state.items()}
    timms = convert(ours, 'project', 'timm').state
    timms = plain_vit.prefixed(timms, 'module.base_encoder.')
    torch.save(dict(state_dict=timms), tmp_path / 'moco.pth')
    found, heads, form = read_as_project(tmp_path / 'moco.pth')
    assert form == 'mocov3'
    load_pretrained(SimpleNamespace(backbone=vit[12]), found, heads=heads)
    with pytest.raises(ValueError, match='6 heads here and 12'):
        load_pretrained(SimpleNamespace(backbone=vit[6]), found, heads=heads)


def test_a_file_that_tells_its_heads_is_believed(images, tmp_path):
    state = random_vit()
    heads = {f'backbone.layers.{i}.attn': 2 for i in range(DEPTH)}
    path = tmp_path / 'ours.pth'
    torch.save(
        dict(state_dict=plain_vit.as_project(state), meta=dict(heads=heads)),
        path,
    )
    found = teacher_of(path, heads=None, target_norm='none')(images)
    expected = forward(state, images, heads=2)[:, 1:]
    torch.testing.assert_close(found.patches, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match='4 heads here and 2'):
        teacher_of(path, heads=4).prepare()


def test_each_model_has_its_own_pixels(tmp_path):
    """One picture, normalised for the student and for the teacher."""
    path, _ = saved(tmp_path, 'clip_visual')
    picture = torch.randint(0, 256, (2, 3, 32, 32)).float()

    def normalised(pixels):
        mean, std = (torch.tensor(p).view(3, 1, 1) for p in pixels)
        return (picture - mean) / std

    teacher = teacher_of(path, IMAGENET)
    teacher.prepare()
    torch.testing.assert_close(
        teacher.preprocess(normalised(IMAGENET)),
        normalised(CLIP),
        rtol=1e-5,
        atol=1e-5,
    )
    own = [10.0, 20.0, 30.0], [50.0, 60.0, 70.0]
    teacher = teacher_of(path, IMAGENET, mean=own[0], std=own[1])
    teacher.prepare()
    torch.testing.assert_close(
        teacher.preprocess(normalised(IMAGENET)),
        normalised(own),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize('official', [False, True])
def test_the_momentum_encoder_can_teach(official, images, tmp_path):
    state, other = random_vit(), random_vit(seed=1)
    path = tmp_path / 'moco.pth'
    if official:
        content = plain_vit.as_mocov3(other)['state_dict']
        content |= plain_vit.prefixed(state, 'module.momentum_encoder.')
    else:
        content = plain_vit.as_project(other) | {
            name.replace('backbone.', 'momentum_encoder.module.0.'): value
            for name, value in plain_vit.as_project(state).items()
        }
        content['momentum_encoder.module.1.fc0.weight'] = torch.zeros(3, WIDTH)
    torch.save(dict(state_dict=content), path)
    teachers = [
        teacher_of(path, target_norm='none', **options)
        for options in (dict(encoder='momentum'), {})
    ]
    for teacher, its in zip(teachers, (state, other), strict=True):
        torch.testing.assert_close(
            teacher(images).patches,
            forward(its, images)[:, 1:],
            rtol=1e-4,
            atol=1e-5,
        )
    assert teachers[0].digest != teachers[1].digest


def test_pictures_that_fit_are_not_touched(images, tmp_path, monkeypatch):
    path, _ = saved(tmp_path)
    teacher = teacher_of(path)
    teacher.prepare()
    monkeypatch.setattr(F, 'interpolate', None)
    assert teacher.preprocess(images) is images


@pytest.mark.parametrize('patch', [6, 16])
def test_another_patch_gets_pictures_of_as_many(patch, images, tmp_path):
    """A teacher of 4 x 4 patches, whatever their size in pixels."""
    path, state = saved(tmp_path, patch=patch)
    teacher = teacher_of(path, target_norm='none')
    side = 4 * patch
    seen = F.interpolate(images, (side, side), mode='bicubic', antialias=True)
    expected = forward(state, seen)[:, 1:]
    torch.testing.assert_close(
        teacher(images).patches, expected, rtol=1e-4, atol=1e-4
    )


def test_another_grid_gets_positions_between(tmp_path):
    path, state = saved(tmp_path)
    teacher = FrozenTeacher(
        str(path), heads=HEADS, grid=6, img_size=48, pixels=IMAGENET,
        target_norm='none',
    )  # fmt: skip
    images = torch.randn(2, 3, 48, 48)
    first, rest = state['pos_embed'].split([1, 16], 1)
    square = rest.reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    square = F.interpolate(square, (6, 6), mode='bicubic')
    table = torch.cat((first, square.flatten(2).mT), 1)
    expected = forward(state | dict(pos_embed=table), images)[:, 1:]
    torch.testing.assert_close(
        teacher(images).patches, expected, rtol=1e-4, atol=1e-4
    )


def test_targets_are_normalised_per_patch(images, tmp_path):
    path, _ = saved(tmp_path)
    plain, normed, unit = (
        teacher_of(path, target_norm=norm)(images).patches
        for norm in ('none', None, 'l2')
    )
    assert normed.mean(-1).abs().max() < 1e-5
    variance = normed.var(-1, correction=0)
    torch.testing.assert_close(variance, torch.ones(2, 16))
    centred = plain - plain.mean(-1, keepdim=True)
    expected = centred / centred.std(-1, correction=0, keepdim=True)
    torch.testing.assert_close(normed, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(2, 16))
    mean = teacher_of(path, image_feature='mean')(images).image
    expected = plain.mean(1)
    expected = expected - expected.mean(-1, keepdim=True)
    expected = expected / expected.std(-1, correction=0, keepdim=True)
    torch.testing.assert_close(mean, expected, rtol=1e-4, atol=1e-5)


def test_pixels_are_maes_target(images):
    head = MAEPretrainHead(
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        norm_pix=True,
        patch_size=8,
    )
    found = teacher_of(kind='pixel')(images)
    torch.testing.assert_close(found.patches, head.construct_target(images))
    assert found.image is None


def test_gradients_are_maskfeats_on_its_grid():
    images = torch.randn(1, 3, 224, 224)
    teacher = FrozenTeacher(kind='hog', grid=14, img_size=224, pixels=IMAGENET)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = teacher(images).patches
    torch.testing.assert_close(found, HOGGenerator()(images))
    assert teacher.width == 108
    small = teacher_of(kind='hog')
    assert small(images[..., :32, :32]).patches.shape == (1, 16, 27)
    with pytest.raises(ValueError, match='patch_size that 8 divides'):
        FrozenTeacher(
            kind='hog', grid=16, img_size=224, pixels=IMAGENET
        ).prepare()


def test_random_teachers_are_one(images):
    arch = dict(
        embed_dims=16,
        num_layers=2,
        num_heads=2,
        feedforward_channels=32,
        patch_size=8,
    )
    one, other = teacher_of(random=arch), teacher_of(random=arch)
    torch.manual_seed(5)
    assert torch.equal(one(images).patches, other(images).patches)
    assert one.digest == other.digest


def test_a_copy_shares_it(tmp_path):
    teacher = teacher_of(saved(tmp_path)[0])
    assert copy.deepcopy([teacher])[0] is teacher


def test_what_cannot_teach_is_refused(tmp_path):
    def check(message, error=ValueError, content=None, **options):
        path = tmp_path / 'teacher.pth'
        if content is not None:
            torch.save(content, path)
        with pytest.raises(error, match=message) as caught:
            teacher_of(path, **options).prepare()
        assert '\n' not in str(caught.value)

    state = random_vit()
    check('no .*teacher.pth|No such file', FileNotFoundError)
    check('names of timm, and .* says clip', content=state, kind='clip_visual')
    check('has 3 layers', layer=3)
    check('teacher.pth: it holds no momentum enc', encoder='momentum')
    check('channels are no usual width', heads=None)
    check('32 channels are not divisible by 5', heads=5)
    bad = state | {'norm.bias': torch.full((WIDTH,), torch.nan)}
    check('norm.bias is not finite', content=bad)
    check(
        'unexplained: strange',
        content=state | dict(strange=state['norm.bias']),
    )
    check(
        'tensors of the encoder are missing',
        content={'backbone.a': state['norm.bias']},
    )
    short = {n: v for n, v in state.items() if n != 'blocks.1.mlp.fc1.bias'}
    check('1 tensors of the encoder are missing', content=short)
    check(r'kind=hog reads no file, .*pth is named', kind='hog')
    check('leave --teacher out, or .*random$', random=dict(patch_size=8))
    (tmp_path / 'teacher.pth').write_bytes(b'no checkpoint')
    check('refused or broken')
    with pytest.raises(ValueError, match='--teacher CKPT'):
        teacher_of().prepare()
    for option in ('kind', 'encoder', 'image_feature', 'target_norm'):
        with pytest.raises(ValueError, match=f"{option}='nope' is none of"):
            teacher_of(**{option: 'nope'})
