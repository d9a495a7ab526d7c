"""The hook that measures masks and attention, on real runs."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from run_helpers import config

from ccmim_mm.engine import ResilientRunner

pytestmark = pytest.mark.slow

PIPELINE = [
    dict(type='LoadUprightImage'),
    dict(type='LoadLabelMap'),
    dict(type='Resize', scale=(4096, 32), keep_ratio=True),
    dict(type='CenterCrop', crop_size=32),
    dict(type='PackInputs', algorithm_keys=('gt_seg_map',)),
]


@pytest.fixture(scope='module')
def pictures_with_maps(picture_folder, tmp_path_factory):
    """The same pictures; of each the left half is object."""
    root = tmp_path_factory.mktemp('maps')
    for split in ('train', 'val'):
        (root / split).symlink_to(picture_folder / split)
    for path in picture_folder.glob('val/*/*.png'):
        target = root / 'label_maps' / path.relative_to(picture_folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        label_map = np.zeros((40, 48), np.uint8)
        label_map[:, :24] = 1
        Image.fromarray(label_map).save(target)
    return root


def config_with_hook(
    data, work_dir, pipeline=PIPELINE, resume=None, **options
):
    cfg = config(data, work_dir, options=options, resume=resume)
    dataset = dict(type='PictureFolder', split='val', pipeline=pipeline)
    hook = dict(type='MaskAnalysisHook', dataset=dataset)
    cfg.custom_hooks = [*cfg.custom_hooks, hook]
    return cfg


def analyse(data, work_dir, **options):
    runner = ResilientRunner.from_cfg(
        config_with_hook(data, work_dir, **options)
    )
    runner.train()
    summary = json.loads((work_dir / 'summary.json').read_text())
    return runner, summary['mask_analysis']


def test_measures_come_with_every_evaluation(pictures_with_maps, tmp_path):
    runner, points = analyse(pictures_with_maps, tmp_path)
    assert [point['iter'] for point in points] == [0, 3, 6]
    for point in points:
        assert point['object_share'] == 0.5
        assert 0.4 < point['object_attention'] < 0.6
        assert 0.4 < point['object_masked'] < 0.6
        assert 0 < point['score_std'] < 1
        assert 1 <= point['rank_cls'] <= 9
    # By hand, of the weights at the end, which are the last point's.
    hook = next(h for h in runner.hooks if 'MaskAnalysis' in type(h).__name__)
    model = runner.model.eval()
    inputs = model.data_preprocessor(hook.batch, False)['inputs']
    with torch.no_grad():
        scores = model.backbone.score(model.backbone.embed(inputs))
    left = scores.reshape(-1, 4, 4)[..., :2].sum((1, 2)) / scores.sum(1)
    assert points[-1]['object_attention'] == pytest.approx(
        left.mean().item(), rel=1e-5
    )


def test_measures_outlive_a_resume(pictures_with_maps, tmp_path):
    _, straight = analyse(pictures_with_maps, tmp_path / 'straight')
    shutil.copytree(tmp_path / 'straight', tmp_path / 'again')
    path = tmp_path / 'again/epoch_1.pth'
    (tmp_path / 'again/last_checkpoint').write_text(str(path))
    _, again = analyse(pictures_with_maps, tmp_path / 'again', resume='auto')
    assert again == straight


def test_topk_masks_what_is_attended(pictures_with_maps, tmp_path):
    options = {'model.mask_sampler.type': 'TopKMaskSampler'}
    _, points = analyse(pictures_with_maps, tmp_path, **options)
    assert [point['top_masked'] for point in points] == [1.0] * 3


def test_measuring_does_not_change_the_run(pictures_with_maps, tmp_path):
    runner, _ = analyse(pictures_with_maps, tmp_path / 'with')
    plain = ResilientRunner.from_cfg(
        config(pictures_with_maps, tmp_path / 'w')
    )
    plain.train()
    expected = plain.model.state_dict()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


def assert_left_out(cfg, said, work_dir):
    """Looking is no reason to stop: it goes on without, and says so."""
    runner = ResilientRunner.from_cfg(cfg)
    hook = next(h for h in runner.hooks if 'MaskAnalysis' in type(h).__name__)
    hook.before_train(runner)
    hook.after_val_epoch(runner)
    assert 'mask_analysis' not in runner.message_hub.runtime_info
    (log,) = work_dir.glob('*/*.log')
    assert re.search(f'WARNING - No mask analysis: {said}', log.read_text())


def test_a_missing_map_is_named(pictures_with_maps, tmp_path):
    pipeline = [PIPELINE[0], dict(PIPELINE[1], folder='no_maps')]
    pipeline += PIPELINE[2:]
    cfg = config_with_hook(pictures_with_maps, tmp_path, pipeline)
    assert_left_out(cfg, r'.*no_maps/val/blue/0\.png', tmp_path)


def test_a_map_of_another_size_is_named(picture_folder, tmp_path):
    for split in ('train', 'val'):
        (tmp_path / split).symlink_to(picture_folder / split)
    target = tmp_path / 'label_maps/val/blue/0.png'
    target.parent.mkdir(parents=True)
    Image.new('L', (48, 41)).save(target)
    cfg = config_with_hook(tmp_path, tmp_path / 'run')
    assert_left_out(cfg, r'.*0\.png is \(41, 48\)', tmp_path / 'run')
