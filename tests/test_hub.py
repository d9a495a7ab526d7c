"""The package as other projects of the family find it."""

from pathlib import Path

import mmpretrain
import numpy as np
import pytest
from conftest import load
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS
from mmengine.utils import get_installed_path
from mmpretrain.apis import ModelHub
from run_helpers import config

from ccmim_mm.apis import load_encoder
from ccmim_mm.engine.hooks import PanelHook
from ccmim_mm.engine.runner.prepare import forget_scope, prepare
from ccmim_mm.hub import for_inferencers, register_models
from ccmim_mm.models import CCMIM

DEMO = 'ccmim_vit-tiny_demo'


@pytest.mark.parametrize('registry', [MODELS, mmpretrain.registry.MODELS])
def test_names_with_the_scope_before_them(registry):
    assert registry.get('ccmim_mm.CCMIM') is CCMIM
    assert HOOKS.get('ccmim_mm.PanelHook') is PanelHook


@pytest.mark.skipif(
    not Path(get_installed_path('ccmim_mm')).is_dir(),
    reason='this mmengine finds no package that is installed from a clone',
)
@pytest.mark.parametrize(
    'name', [DEMO, 'segmentation/upernet_vit-tiny_demo', 'ccmim_vit-b']
)
def test_a_base_of_the_package_is_the_file_of_the_clone(name, tmp_path):
    path = tmp_path / 'mine.py'
    # What is read of a base is marked with its scope.
    path.write_text(
        f"_base_ = 'ccmim_mm::configs/{name}.py'\nmodel = _base_.model\n"
    )
    mine = Config.fromfile(path)
    ours = load(name)
    assert mine.to_dict() != ours.to_dict()
    forget_scope(mine._cfg_dict)
    assert mine.to_dict() == ours.to_dict()


@pytest.fixture
def hub(monkeypatch):
    """Without mmpretrain's own models, which take seconds to list."""
    monkeypatch.setattr(ModelHub, '_ModelHub__mmpretrain_registered', True)


def test_the_hub_knows_the_models(hub):
    register_models()  # a second time changes nothing
    assert 'ccmim_vit-b' in mmpretrain.list_models('ccmim*')
    assert 'classification/vit-b_finetune_own' in mmpretrain.list_models(
        '*own'
    )
    model = mmpretrain.get_model(DEMO)
    assert type(model) is CCMIM
    assert model.backbone.embed_dims == 128


@pytest.mark.filterwarnings('ignore:Unable to find pre-defined')
def test_the_feature_extractor_sees_what_the_encoder_sees(hub):
    picture = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    stock = mmpretrain.FeatureExtractor(DEMO, device='cpu')
    (found,) = stock(picture)
    cfg = load(DEMO)
    encoder = load_encoder(cfg, device='cpu')
    encoder.model.load_state_dict(stock.model.state_dict())
    # It takes arrays as BGR, as OpenCV reads them.
    inputs = encoder.load(picture[..., ::-1])
    expected = encoder.features(inputs, ['cls', 'patches'])
    assert np.array_equal(found[0][0], expected['cls'][0])
    assert np.array_equal(found[0][1:], expected['patches'][0])
    # A config of one's own has to be unwrapped.
    unwrapped = for_inferencers(cfg)
    (again,) = mmpretrain.FeatureExtractor(unwrapped, device='cpu')(picture)
    assert again[0].shape == found[0].shape


def test_only_this_scope_is_forgotten(picture_folder, tmp_path):
    cfg = config(picture_folder, tmp_path)
    cfg.model['_scope_'] = 'mmpretrain'
    cfg.model.backbone['_scope_'] = 'ccmim_mm'
    cfg = prepare(cfg)
    assert cfg.model['_scope_'] == 'mmpretrain'
    assert '_scope_' not in cfg.model.backbone
