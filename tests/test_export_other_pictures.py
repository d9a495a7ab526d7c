"""Encoders of other channels and two sides that leave for other libraries."""

import json
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from safetensors.torch import load_file

from ccmim_mm.checkpoints import (
    heads_of,
    read_as_project,
    save_state_dict,
)
from ccmim_mm.config import set_hyperparameters
from ccmim_mm.encoders import normalise, pictures, pixels_of, read_source
from ccmim_mm.export import export, exporter
from ccmim_mm.export.to_pt2 import returns

pytestmark = pytest.mark.slow

CHANNELS, SIZE = 13, (32, 48)


def first_of(bands):
    return min((bands / 'val').rglob('*.tif'))


@pytest.fixture
def alone(monkeypatch):
    """No other library is installed."""
    monkeypatch.setattr(exporter, 'absent', lambda packages: [*packages])


def test_exported_pictures_are_the_encoders(bands_run, bands_encoder, bands):
    source = read_source(bands_run[1] / 'epoch_2.pth', None)
    pixels = pixels_of(source)
    assert pixels.stored and not pixels.assumed
    assert (pixels.size, len(pixels.mean)) == (SIZE, CHANNELS)
    path = first_of(bands)
    made = normalise(pixels, pictures(pixels, path))[0]
    torch.testing.assert_close(
        made, bands_encoder.load(path)[0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize('to', ['pt2', 'safetensors'])
def test_exports_differ_by_nothing(
    to, bands_run, bands_encoder, bands, tmp_path
):
    saved = bands_run[1] / 'epoch_2.pth'
    path = first_of(bands)
    for name, picture in (('made', None), ('own', path)):
        out = tmp_path / f'{name}.{to}'
        outcome = export(saved, out, to, picture=picture)
        assert outcome.found < 1e-6
        text = Path(f'{out}.md').read_text()
        assert 'channels as files have them, `(B, 13, 32, 48)`' in ' '.join(
            text.split()
        )
    inputs = bands_encoder.load(path)
    expected = bands_encoder.model.backbone(inputs)[0]
    if to == 'pt2':
        program = torch.export.load(out).module()
        torch.testing.assert_close(program(inputs), expected)
    else:
        state = load_file(out)
        own = read_as_project(saved).state
        assert {n for n in own if n.startswith('backbone.')} == {*state}
        assert all(torch.equal(own[n], v) for n, v in state.items())


@pytest.mark.parametrize('to', ['hf', 'timm'])
def test_folders_for_other_libraries_say_the_size(
    to, bands_run, alone, tmp_path
):
    out = tmp_path / to
    export(bands_run[1] / 'epoch_2.pth', out, to)
    cfg = json.loads((out / 'config.json').read_text())
    args = cfg['model_args'] if to == 'timm' else cfg
    size = args['img_size' if to == 'timm' else 'image_size']
    assert size == [*SIZE]
    assert args['in_chans' if to == 'timm' else 'num_channels'] == CHANNELS
    own = read_as_project(bands_run[1] / 'epoch_2.pth').state
    found = read_as_project(out).state
    kept = {n: v for n, v in own.items() if n in found}
    assert found.keys() == kept.keys()
    for name, value in kept.items():
        assert torch.equal(value, found[name]), name


def test_vitmae_which_knows_squares_alone_is_refused(bands_run, tmp_path):
    message = r'of 32 x 48 pixels, and ViTMAE knows squares .*--to hf writes'
    with pytest.raises(ValueError, match=message):
        export(bands_run[1] / 'epoch_2.pth', tmp_path / 'out', 'hf-mae')
    assert not [*tmp_path.iterdir()]


def test_a_resnet_of_four_channels_is_exported(tmp_path):
    """Its config tells how many, since it is no ViT whose tensors do."""
    cfg = Config.fromfile(ROOT / 'configs/densecl_resnet18_demo.py')
    set_hyperparameters(cfg, channels=4)
    cfg.data_preprocessor.update(mean=[1.0, 2.0, 3.0, 4.0], std=[1.0] * 4)
    cfg.dump(tmp_path / 'densecl.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        backbone = MODELS.build(cfg.model.backbone)
    state = {f'backbone.{n}': v for n, v in backbone.state_dict().items()}
    saved, out = tmp_path / 'densecl.pth', tmp_path / 'out.pt2'
    torch.save(dict(state_dict=state), saved)
    assert export(saved, out, 'pt2', tmp_path / 'densecl.py').found < 1e-5
    assert '`(B, 4, 64, 64)`' in ' '.join(
        Path(f'{out}.md').read_text().split()
    )
    pixels = pixels_of(read_source(saved, tmp_path / 'densecl.py'))
    assert pixels.stored and pixels.mean == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ('name', 'size', 'returned'),
    [
        ('classification/vit-tiny_finetune_demo', 64, '(B, 65, 128)'),
        ('segmentation/upernet_vit-tiny_demo', 96, '(B, 145, 128)'),
        ('detection/mask-rcnn_vit-tiny_demo', 96, '(B, D, h, w)'),
    ],
)
def test_an_encoder_of_a_task_is_described_as_it_is(
    name, size, returned, tmp_path
):
    """Their size and numbers are where mmseg and mmdet have them."""
    config = tmp_path / 'config.py'
    cfg = load(name)
    holder = cfg if cfg.get('data_preprocessor') else cfg.model
    holder.data_preprocessor.update(mean=[51, 102, 153], std=[51, 51, 51])
    cfg.dump(config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        backbone = MODELS.build(cfg.model.backbone)
    state = {f'backbone.{n}': v for n, v in backbone.state_dict().items()}
    save_state_dict(
        state,
        tmp_path / 'a.pth',
        heads={f'backbone.{n}': c for n, c in heads_of(backbone).items()},
    )
    source = read_source(tmp_path / 'a.pth', config)
    pixels = pixels_of(source)
    assert pixels.size == (size, size) and not pixels.assumed
    assert (pixels.mean, pixels.std) == ((0.2, 0.4, 0.6), (0.2,) * 3)
    assert returns(source).startswith(returned)
    found = source.network(torch.zeros(1, 3, size, size))
    assert found.ndim == returned.count(',') + 1
    assert found.ndim == 4 or returned == f'(B, {found.shape[1]}, 128)'
