"""Pre-trained weights into real runs of each downstream task."""

import copy
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build
from mmengine.config import Config
from mmpretrain.registry import DATASETS
from PIL import Image
from run_helpers import use_operators
from stopped_runs import Signal, same

from ccmim_mm._operators import NAME, StandIn
from ccmim_mm.apis import (
    config_for_testing,
    config_for_training,
    extract_features,
    load_encoder,
)
from ccmim_mm.checkpoints import read_state_dict
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import prepare
from ccmim_mm.models.loading import load_for_test
from ccmim_tools.demo import generate_demo

pytestmark = pytest.mark.slow

# Four layers: a segmentor takes four maps.
ARCH = TINY['backbone']['arch'] | dict(num_layers=4)
NO_WORKERS = {
    'train_dataloader.num_workers': 0,
    'val_dataloader.num_workers': 0,
    'test_dataloader.num_workers': 0,
}
CLASSIFY = {
    'model.backbone.arch': dict(_delete_=True, **ARCH),
    'model.head.in_channels': 32,
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'train_dataloader.batch_size': 6,
}
DETECT = {
    'model.backbone.arch': dict(_delete_=True, **ARCH),
    'model.neck.in_channels': 32,
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'train_dataloader.batch_size': 6,
}
SEGMENT = {
    'model.backbone.arch': dict(_delete_=True, **ARCH),
    'model.neck.embed_dim': 32,
    'model.decode_head.in_channels': [32] * 4,
    'model.auxiliary_head.in_channels': 32,
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'train_dataloader.batch_size': 4,
}
CASES = {
    'classification/vit-tiny_finetune_demo': (CLASSIFY, 'accuracy/top1'),
    'classification/vit-tiny_linear_demo': (
        {**CLASSIFY, 'model.neck.input_features': 32},
        'accuracy/top1',
    ),
    'detection/mask-rcnn_vit-tiny_demo': (DETECT, 'coco/segm_mAP'),
    'detection/faster-rcnn_vit-tiny_demo': (DETECT, 'coco/bbox_mAP'),
    'segmentation/upernet_vit-tiny_demo': (SEGMENT, 'mIoU'),
}
REPORTS = {
    'finetune': 'loaded 52 of 54 .* design: ln1.*; new: ln2',
    'linear': 'loaded 54 of 54 .* design: none; new: none',
    'rcnn': r'loaded 51 of 59 .*\(pos_embed 4x4 -> 12x12\); unused by design:'
    r' cls_token, ln1.\*; new: rel_pos_h \(4\), rel_pos_w \(4\)',
    'upernet': r'loaded 52 of 52 .*\(pos_embed 4x4 -> 12x12\); unused .*ln1',
}


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    return generate_demo(
        tmp_path_factory.mktemp('demo') / 'data', 12, 6, workers=2
    )


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A pre-training checkpoint: 4 layers, 4x4 patches of 8 pixels."""
    cfg = copy.deepcopy(TINY)
    cfg['backbone']['arch'] = ARCH
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    torch.save(dict(state_dict=build(cfg).state_dict()), path)
    return path


def configured(name, data, work_dir, overrides, **kwargs):
    cfg = config_for_training(
        ROOT / f'configs/{name}.py',
        {**NO_WORKERS, **overrides},
        data,
        work_dir,
        **kwargs,
    )
    cfg.experiment_name = f'{name}{work_dir}'
    return cfg


def started(cfg):
    """The runner, as far as it gets before the first step."""
    runner = ResilientRunner.from_cfg(cfg)
    runner.check_input()
    return runner


@pytest.mark.parametrize('name', CASES)
def test_train_and_evaluate_from_a_checkpoint(
    name, demo, checkpoint, tmp_path
):
    overrides, metric = CASES[name]
    cfg = configured(
        name, demo, tmp_path, overrides, pretrained=str(checkpoint)
    )
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    before = read_state_dict(checkpoint)['backbone.layers.1.attn.qkv.weight']
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    assert np.isfinite(scalars['train/loss'].data[0]).all()
    assert 0 <= scalars[f'val/{metric}'].current() <= 100
    after = dict(runner.model.named_parameters())[
        'backbone.layers.1.attn.qkv.weight'
    ]
    # Loaded, and then trained unless it is frozen.
    assert torch.allclose(after, before, atol=0.01)
    assert torch.equal(after, before) == ('linear' in name)
    (log,) = tmp_path.glob('*/*.log')
    kind = next(k for k in REPORTS if k in name)
    assert re.search(REPORTS[kind], log.read_text())

    saved = next(tmp_path.glob('*_[12].pth'))
    show_dir = tmp_path / 'shown'
    cfg = config_for_testing(
        ROOT / f'configs/{name}.py',
        str(saved),
        {**NO_WORKERS, **overrides},
        demo,
        tmp_path / 'test',
        show_dir=str(show_dir),
    )
    cfg.experiment_name = f'test{name}{tmp_path}'
    cfg.visualizer.name = cfg.experiment_name
    tester = ResilientRunner.from_cfg(cfg)
    metrics = tester.test()
    expected = scalars[f'val/{metric}'].current()
    assert metrics[metric] == pytest.approx(expected, abs=1e-4)
    drawn = {str(p.relative_to(show_dir)) for p in show_dir.rglob('*.*')}
    pictures = (demo / 'val').rglob('*.jpg')
    assert drawn == {f'{p.relative_to(demo)}.png' for p in pictures}


@pytest.mark.parametrize(
    'name',
    [
        'detection/mask-rcnn_vit-tiny_demo',
        'segmentation/upernet_vit-tiny_demo',
    ],
)
def test_a_stop_anywhere_loses_nothing(name, demo, tmp_path):
    """Loops of epochs and of iterations, to the bit."""
    overrides, _ = CASES[name]
    overrides = {
        **overrides,
        'train_dataloader.batch_size': 3,
        'default_hooks.checkpoint.interval': 1,
    }
    length = 'train_cfg.max_iters' if 'seg' in name else 'train_cfg.max_epochs'
    overrides[length] *= 2
    overrides['train_cfg.val_interval'] = 100

    def runner(work_dir, **kwargs):
        cfg = configured(name, demo, tmp_path / work_dir, overrides, **kwargs)
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.experiment_name += str(kwargs)
        return ResilientRunner.from_cfg(cfg)

    straight = runner('straight')
    straight.train()
    stopped = runner('stopped')
    stopped.register_hook(Signal(iteration=2))
    with pytest.raises(SystemExit):
        stopped.train()
    resumed = runner('stopped', resume='auto')
    resumed.train()
    assert resumed.iter == straight.iter >= 4
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    losses = [
        r.message_hub.get_scalar('train/loss').data[0]
        for r in (resumed, straight)
    ]
    assert np.array_equal(*losses)


def test_detection_without_compiled_operators(demo, tmp_path, monkeypatch):
    """Trains and is judged as with them."""
    compiled = import_module(NAME)
    if isinstance(compiled, StandIn):
        pytest.skip('mmcv has no compiled operators: make operators')
    name = 'detection/mask-rcnn_vit-tiny_demo'
    options = {
        **DETECT,
        'train_dataloader.batch_size': 3,
        'default_hooks.logger.interval': 1,
    }
    found = []
    for operators in (compiled, StandIn()):
        use_operators(operators, monkeypatch)
        out = tmp_path / type(operators).__name__
        runner = ResilientRunner.from_cfg(configured(name, demo, out, options))
        runner.train()
        scalars = runner.message_hub.log_scalars
        parts = [k for k in scalars if 'loss' in k or 'mAP' in k]
        assert {'train/loss_mask', 'val/coco/segm_mAP'} <= set(parts)
        found.append({k: scalars[k].data[0] for k in parts})
    np.testing.assert_equal(*(list(f) for f in found))
    for key in found[0]:
        np.testing.assert_allclose(
            found[0][key], found[1][key], rtol=1e-4, atol=1e-4, err_msg=key
        )


def test_several_scales(demo, tmp_path):
    name = 'segmentation/upernet_vit-tiny_demo'
    saved = tmp_path / 'segmentor.pth'
    options = {**NO_WORKERS, **SEGMENT}
    plain = configured(name, demo, tmp_path, SEGMENT)
    model = ResilientRunner.from_cfg(plain).model
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), saved)
    path = ROOT / f'configs/{name}.py'
    cfg = config_for_testing(
        path, str(saved), options, demo, tmp_path, tta=True
    )
    cfg.experiment_name = str(tmp_path)
    runner = ResilientRunner.from_cfg(cfg)
    assert 0 <= runner.test()['mIoU'] <= 100
    for name, value in runner.model.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    path = ROOT / 'configs/detection/mask-rcnn_vit-tiny_demo.py'
    with pytest.raises(ValueError, match='has no tta_model'):
        config_for_testing(path, str(saved), data=demo, tta=True)


def test_a_checkpoint_with_a_part_missing_is_not_tested(demo, tmp_path):
    name = 'classification/vit-tiny_finetune_demo'
    cfg = configured(name, demo, tmp_path, CLASSIFY)
    runner = ResilientRunner.from_cfg(cfg)
    state = runner.model.state_dict()
    del state['head.fc.bias']
    with pytest.raises(ValueError, match=r'first head\.fc\.bias: .* nothing'):
        load_for_test(runner.model, state)


def test_a_detector_in_bf16_keeps_its_boxes_in_fp32(demo, tmp_path):
    name = 'detection/mask-rcnn_vit-tiny_demo'
    options = {**DETECT, 'optim_wrapper.precision': 'bf16'}
    cfg = configured(name, demo, tmp_path, options)
    assert cfg.optim_wrapper.modules == ['backbone', 'neck']
    runner = ResilientRunner.from_cfg(cfg)
    seen = {}
    layer = runner.model.backbone.layers[0].attn.qkv
    layer.register_forward_hook(lambda *a: seen.update(within=a[2].dtype))
    runner.model.rpn_head.rpn_conv.register_forward_pre_hook(
        lambda _, args: seen.update(heads=args[0].dtype)
    )
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    batch = next(iter(runner.build_dataloader(runner.cfg.train_dataloader)))
    losses = runner.model.train_step(batch, wrapper)
    assert np.isfinite(float(losses['loss']))
    assert seen == dict(within=torch.bfloat16, heads=torch.float32)
    # Nothing of it stays.
    runner.model.eval()(**runner.model.data_preprocessor(batch))
    assert seen == dict(within=torch.float32, heads=torch.float32)
    assert not torch.is_autocast_enabled('cpu')


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        (
            'detection/mask-rcnn_vit-tiny_demo',
            {'classes': 'cat,dog'},
            "category 'circle' is not among the classes",
        ),
        (
            'segmentation/upernet_vit-tiny_demo',
            {'classes': 'nothing,something'},
            r'classes\.txt names background, .* are nothing, something',
        ),
        (
            'classification/vit-tiny_finetune_demo',
            {'classes': 'cat,dog'},
            'class folders are brick, .* but the classes of the config cat',
        ),
        (
            'classification/vit-b_finetune_100e_in1k',
            {},
            r'num_classes=1000, but there are \d classes: .*_own.py',
        ),
        (
            'detection/mask-rcnn_vit-b_12e_coco',
            {},
            "category 'circle' is not among",
        ),
    ],
)
def test_classes_that_do_not_fit_are_refused(
    name, options, message, demo, tmp_path
):
    with pytest.raises(ValueError, match=message):
        started(configured(name, demo, tmp_path, options))


def test_a_checkpoint_that_does_not_fit_is_refused_before_the_run(
    demo, checkpoint, tmp_path
):
    name = 'classification/vit-tiny_finetune_demo'
    given = dict(pretrained=str(checkpoint))
    with pytest.raises(ValueError, match=r'first cls_token: .*\(1, 1, 128\)'):
        started(configured(name, demo, tmp_path / 'a', {}, **given))
    deeper = {
        **CLASSIFY,
        'model.backbone.arch': dict(ARCH, _delete_=True, num_layers=5),
    }
    with pytest.raises(ValueError, match=r'tiny\.pth: .*--allow-partial'):
        started(configured(name, demo, tmp_path / 'b', deeper, **given))
    given['allow_partial'] = True
    started(configured(name, demo, tmp_path / 'c', deeper, **given))


def test_classes_reach_every_part(demo, tmp_path):
    name = 'detection/mask-rcnn_vit-b_own'
    cfg = prepare(configured(name, demo, tmp_path, {}))
    heads = cfg.model.roi_head
    assert heads.bbox_head.num_classes == heads.mask_head.num_classes == 6
    meta = cfg.val_dataloader.dataset.metainfo
    assert len(set(meta['palette'])) == len(meta['classes']) == 6
    name = 'classification/vit-b_finetune_own'
    cfg = prepare(configured(name, demo, tmp_path, {}))
    assert cfg.model.head.num_classes == 6
    assert cfg.data_preprocessor.num_classes == 6


def test_names_file(demo, tmp_path):
    (demo / 'meta').mkdir(exist_ok=True)
    names = sorted(p.name for p in (demo / 'train').rglob('*.jpg'))[:5]
    (demo / 'meta/1percent.txt').write_text('\n'.join(names))
    name = 'classification/vit-b_finetune_1pct_in1k'
    cfg = prepare(configured(name, demo, tmp_path, {'classes': None}))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    found = [dataset.get_data_info(i)['img_path'] for i in range(5)]
    assert sorted(Path(path).name for path in found) == names
    assert len(dataset) == 5
    (demo / 'meta/1percent.txt').write_text('none.jpg')
    with pytest.raises(ValueError, match=r'first none\.jpg'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_features_of_a_folder(checkpoint, tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'{i}.png')
    (folder / 'broken.jpg').write_bytes(b'no picture')
    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    # The checkpoint's four layers; three of them would be another network.
    with pytest.raises(ValueError, match=r'12 tensors .*layers\.3'):
        load_encoder(cfg, str(checkpoint))
    cfg.model.backbone.arch.num_layers = 4
    out = tmp_path / 'features.npz'
    args = cfg, str(checkpoint), str(folder), str(out)
    count = extract_features(
        *args, ('cls', 'mean', 'patches'), str(tmp_path / 'seen'), 2, 0
    )
    found = np.load(out)
    assert count == 3
    assert found['paths'].tolist() == ['0.png', '1.png', '2.png']
    assert found['patches'].shape == (3, 16, 32)
    assert found['cls'].shape == (3, 32)
    np.testing.assert_allclose(
        found['patches'].mean(1), found['mean'], atol=1e-5
    )
    # A picture's features do not depend on its company.
    extract_features(*args[:3], str(tmp_path / 'b.npz'), ('cls',), None, 1, 0)
    again = np.load(tmp_path / 'b.npz')['cls']
    np.testing.assert_allclose(again, found['cls'], atol=1e-5)
    assert Image.open(tmp_path / 'seen/1.png.png').size == (64, 32)
    with pytest.raises(FileExistsError, match='left untouched'):
        extract_features(*args)
