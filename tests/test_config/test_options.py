"""Overrides of a config."""

import pytest
from conftest import ROOT, load
from mmengine.config import Config

from ccmim_mm.apis import apply_options, config_for_training, load_encoder

pytestmark = pytest.mark.slow

PRETRAIN = 'ccmim_vit-tiny_demo'
CLASSIFY = 'classification/vit-tiny_finetune_demo'
DETECT = 'detection/mask-rcnn_vit-tiny_demo'
SEGMENT = 'segmentation/upernet_vit-tiny_demo'


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        (PRETRAIN, {'modle.masked_grad': True}, 'modle; did you mean model'),
        (PRETRAIN, {'trainer': 1}, 'nothing reads trainer'),
        (PRETRAIN, {'batch_size': 8}, 'mean train_dataloader.batch_size'),
        (PRETRAIN, {'default_hooks.chekpoint.interval': 1}, 'checkpoint'),
        (PRETRAIN, {'train_cfg.max_epoch': 1}, 'mean train_cfg.max_epochs'),
        (PRETRAIN, {'train_cfg': dict(max_epoch=1)}, 'train_cfg.max_epoch:'),
        (SEGMENT, {'train_cfg.max_iter': 1}, 'mean train_cfg.max_iters'),
        (SEGMENT, {'train_cfg.max_epochs': 1}, 'takes no max_epochs'),
        (PRETRAIN, {'val_cfg.bank_dataloadr.x': 1}, 'val_cfg.bank_dataload'),
        (PRETRAIN, {'randomness.sed': 1}, 'mean randomness.seed'),
        (PRETRAIN, {'auto_scale_lr.enabled': True}, 'auto_scale_lr.enable'),
        (PRETRAIN, {'env_cfg.cudnn_benchmrk': True}, 'env_cfg.cudnn_bench'),
        (PRETRAIN, {'train_dataloader.batchsize': 8}, 'loader.batch_size'),
        # Variables of the file: read when it was.
        (DETECT, {'max_epochs': 1}, 'variable .* set train_cfg.max_epochs'),
        (PRETRAIN, {'train_pipeline.0.type': 'X'}, 'set train_dataloader'),
        (PRETRAIN, {'vis_backends.0.type': 'X'}, 'set visualizer.vis_backe'),
        # Places that are not there.
        (PRETRAIN, {'custom_hooks.99.x': 1}, r'list of \d+, .* has no 99'),
        (PRETRAIN, {'custom_hooks.last.x': 1}, 'it has no last'),
        (PRETRAIN, {'randomness.seed.x': 1}, r'randomness\.seed is 0, and'),
        # The data say.
        (CLASSIFY, {'model.head.num_classes': 7}, 'classes are counted'),
        (DETECT, {'model.roi_head': dict(a=dict(num_classes=7))}, 'counted'),
    ],
)
def test_an_override_that_means_nothing_is_refused(name, options, message):
    with pytest.raises(ValueError, match=f'{message}') as error:
        apply_options(load(name), options)
    assert '\n' not in str(error.value)


def test_overrides_that_mean_something(tmp_path):
    options = {
        'model.backbone.arch': dict(_delete_=True, embed_dims=8),
        'custom_hooks.0.type': 'PreemptionHook',
        'default_hooks.mine.type': 'EMAHook',
        'default_hooks.mine.momentum': 0.1,
        'find_unused_parameters': True,
        'trust_checkpoint': True,
        'train_cfg.type': 'EpochBasedTrainLoop',
        'train_cfg.val_begin': 3,
        'train_dataloader.num_batch_per_epoch': 2,
        'env_cfg.resource_limit': 8,
        'visualizer.vis_backends.0.type': 'TensorboardVisBackend',
        'experiment_name': 'mine',
    }
    cfg = load(PRETRAIN)
    apply_options(cfg, options)
    assert cfg.model.backbone.arch == dict(embed_dims=8)
    assert cfg.custom_hooks[0].type == 'PreemptionHook'
    assert cfg.default_hooks.mine == dict(type='EMAHook', momentum=0.1)
    assert cfg.find_unused_parameters and cfg.experiment_name == 'mine'
    # A key of one's own, for a hook of one's own.
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{ROOT}/configs/{PRETRAIN}.py'\nmine = 1\n")
    cfg = Config.fromfile(own)
    apply_options(cfg, {'mine': 2})
    assert cfg.mine == 2
    # Given dicts stay as they are.
    assert options['model.backbone.arch']['_delete_']


def test_every_way_in_refuses_a_typo(tmp_path):
    path, options = ROOT / f'configs/{PRETRAIN}.py', {'modle.x': 1}
    with pytest.raises(ValueError, match='did you mean model'):
        config_for_training(path, options)
    with pytest.raises(ValueError, match='did you mean model'):
        load_encoder(path, options=options)
