"""A run is what its config says, for every way to start it."""

import os
import subprocess
import sys
from pathlib import Path

import mmpretrain
import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmpretrain.models import ResNet, VisionTransformer
from mmpretrain.registry import MODELS
from run_helpers import config, history
from stopped_runs import same, stop

from ccmim_mm.apis import config_for_training
from ccmim_mm.datasets.data_root import parts
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import prepare
from ccmim_mm.models import features_of, patch_features_of

pytestmark = pytest.mark.slow

STOCK_TOOL = Path(mmpretrain.__file__).parent / '.mim/tools/train.py'


def weights(work_dir):
    path = Path((work_dir / 'last_checkpoint').read_text().strip())
    return torch.load(path, weights_only=True)['state_dict']


def test_three_ways_one_training(picture_folder, tmp_path):
    """This project's tool, mmpretrain's own, and ten lines of Python."""
    path = str(ROOT / 'tests/tiny_config.py')
    options = ['train_cfg.max_epochs=1', f'data_root={picture_folder}']
    for name, script in (('own', 'tools/train.py'), ('stock', STOCK_TOOL)):
        done = subprocess.run(
            [
                sys.executable, str(script), path, '--work-dir',
                str(tmp_path / name), '--cfg-options', *options,
            ],
            cwd=ROOT,
            env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    cfg = Config.fromfile(path)
    cfg.data_root = str(picture_folder)
    cfg.work_dir = str(tmp_path / 'python')
    cfg.train_cfg.max_epochs = 1
    runner = RUNNERS.build(cfg)
    runner.train()

    own = weights(tmp_path / 'own')
    assert len(own) == len(runner.model.state_dict())
    assert same(weights(tmp_path / 'stock'), own)
    assert same(weights(tmp_path / 'python'), own)


def test_another_runner_than_the_configs_is_refused(picture_folder, tmp_path):
    cfg = prepare(config(picture_folder, tmp_path))
    with pytest.raises(TypeError, match=r'RUNNERS\.build\(cfg\)'):
        Runner.from_cfg(cfg).train()


def simclr(data, work_dir, epochs=2, **kwargs):
    cfg = config_for_training(
        ROOT / 'tests/simclr_config.py',
        {'train_cfg.max_epochs': epochs},
        data,
        work_dir,
        **kwargs,
    )
    cfg.experiment_name = f'simclr{work_dir}{kwargs}'
    return cfg


def test_a_stock_method_trains_is_judged_and_resumes(picture_folder, tmp_path):
    """SimCLR of mmpretrain, by config alone; equal to the bit."""
    straight = RUNNERS.build(simclr(picture_folder, tmp_path / 'straight'))
    straight.train()
    points = straight.message_hub.runtime_info['frozen_features']
    assert [point['iter'] for point in points] == [0, 3, 6]
    # A ResNet gives one map, so one feature.
    assert points[0].keys() == {
        *('iter', 'knn_mean', 'linear_mean', 'rankme_mean', 'alpha_mean')
    }
    analysis = straight.message_hub.runtime_info['mask_analysis']
    assert analysis[0].keys() == {'iter', 'std_mean', 'rank_mean'}
    assert (tmp_path / 'straight/curves.png').exists()
    # There is no panel to draw, and that is said.
    (log,) = (tmp_path / 'straight').glob('*/*.log')
    assert 'No panels: SimCLR has nothing to show' in log.read_text()

    stop(simclr(picture_folder, tmp_path / 'stopped'), iteration=3)
    again = simclr(picture_folder, tmp_path / 'stopped', resume='auto')
    resumed = RUNNERS.build(again)
    resumed.train()
    assert resumed.iter == straight.iter == 6
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    states = [r.optim_wrapper.state_dict() for r in (resumed, straight)]
    assert same(*states)
    for name in ('loss', 'lr'):
        assert np.array_equal(history(resumed, name), history(straight, name))
    assert resumed.message_hub.runtime_info['frozen_features'] == points


def test_a_mid_epoch_resume_adds_no_evaluation(picture_folder, tmp_path):
    stop(config(picture_folder, tmp_path), iteration=1)
    cfg = config(picture_folder, tmp_path, resume='auto')
    cfg.experiment_name += 'again'
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    points = runner.message_hub.runtime_info['frozen_features']
    assert [point['iter'] for point in points] == [0, 3, 6]


CONFIGS = [
    path
    for path in sorted((ROOT / 'configs').rglob('*.py'))
    if '_base_' not in path.parts and not path.stem.startswith('grid_')
]


@pytest.fixture(scope='module')
def every_layout(tmp_path_factory):
    """A folder that is laid out for every task at once."""
    from ccmim_tools.demo import generate_demo

    root = tmp_path_factory.mktemp('layouts') / 'data'
    data = generate_demo(root, 12, 6, workers=1)
    (data / 'meta').mkdir()
    for name in ('1percent.txt', '10percent.txt'):
        names = sorted(p.name for p in (data / 'train').rglob('*.jpg'))
        (data / 'meta' / name).write_text('\n'.join(names[:6]))
    return data


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_data_root_alone_moves_everything(path, every_layout):
    cfg = Config.fromfile(path)
    cfg.data_root = str(every_layout)
    if 'classes' in cfg or cfg.default_scope != 'mmpretrain':
        cfg.classes = 'background,a,b,c,d,e,f'
    if cfg.model.type == 'ImageClassifier' or cfg.default_scope == 'mmdet':
        cfg.classes = None
    prepare(cfg)
    found = list(parts(cfg))
    assert {part.stage for part in found} >= {'train', 'val', 'test'}
    for part in found:
        assert part.dataset.data_root == str(every_layout)
    for stage in ('val', 'test'):
        evaluator = cfg[f'{stage}_evaluator']
        if 'ann_file' in evaluator:
            assert Path(evaluator.ann_file).is_file()
            assert str(every_layout) in evaluator.ann_file


@pytest.mark.parametrize('model', ['htc', 'faster_rcnn', 'grounding_dino'])
def test_configs_of_other_libraries_know_what_they_do(model):
    """Heads that count something else, and classes given by the data set."""
    mmdet = pytest.importorskip('mmdet')
    folder = Path(mmdet.__file__).parent / '.mim/configs' / model
    cfg = Config.fromfile(sorted(folder.glob('*coco.py'))[0])
    for dataset in (part.dataset for part in parts(cfg)):
        dataset.metainfo = dict(classes=('a', 'b'))
    before = cfg.model.to_dict()
    assert prepare(cfg).model.to_dict() == before


def test_a_dataset_with_its_own_root_keeps_it(picture_folder, tmp_path):
    own = str(picture_folder / 'train')
    options = {
        'train_dataloader.dataset.dataset.data_root': own,
        'train_dataloader.dataset.dataset.split': None,
    }
    cfg = prepare(config(picture_folder, tmp_path, options=options))
    roots = [part.dataset.data_root for part in parts(cfg)]
    assert roots.count(own) == 1
    assert roots.count(str(picture_folder)) == len(roots) - 1


def test_what_cannot_start_in_the_middle_is_refused(picture_folder, tmp_path):
    options = {'train_dataloader.sampler': dict(type='DefaultSampler')}
    cfg = config(picture_folder, tmp_path, options=options)
    with pytest.raises(ValueError, match=r"DefaultSampler .* 'SeededSampler'"):
        ResilientRunner.from_cfg(cfg).train()


def test_features_by_the_shape_of_what_a_model_returns():
    pictures = torch.randn(2, 3, 32, 32)
    vit = dict(arch='deit-tiny', img_size=32, patch_size=8)
    own = build(dict(TINY)).eval()
    tokens = own.backbone(pictures)[0]
    found = features_of(own, pictures)
    assert torch.equal(found['cls'], tokens[:, 0])
    assert torch.equal(found['mean'], tokens[:, 1:].mean(1))
    assert torch.equal(patch_features_of(own, pictures), tokens[:, 1:])
    head = dict(type='LinearClsHead', num_classes=2, in_channels=192)
    classifier = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='VisionTransformer', **vit),
            head=head,
        )
    ).eval()
    found = features_of(classifier, pictures)
    assert {k: tuple(v.shape) for k, v in found.items()} == {'cls': (2, 192)}
    with pytest.raises(ValueError, match='one vector a picture'):
        patch_features_of(classifier, pictures)

    class Bare(torch.nn.Module):
        def __init__(self, backbone):
            super().__init__()
            self.extract_feat = backbone

    maps = Bare(VisionTransformer(**vit, out_type='featmap'))
    assert features_of(maps, pictures)['mean'].shape == (2, 192)
    assert patch_features_of(maps, pictures).shape == (2, 16, 192)
    resnet = Bare(ResNet(18))
    assert features_of(resnet, pictures)['mean'].shape == (2, 512)
    odd = Bare(lambda x: x[:, :, :, :, None])
    with pytest.raises(ValueError, match='expected tokens'):
        features_of(odd, pictures)


def test_features_keep_no_tokens_alive():
    """A view of one row would keep every token of every picture."""
    pictures = torch.randn(2, 3, 32, 32)
    for value in features_of(build(dict(TINY)).eval(), pictures).values():
        held = value.untyped_storage().nbytes()
        assert held == value.numel() * value.element_size()
