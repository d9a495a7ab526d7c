"""Contrastive recipes: mmpretrain's, but for what is listed here."""

import copy
from collections import Counter

import pytest
import torch
from conftest import load
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS
from schedules import check_another_length
from sizes import check_another_size
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from ccmim_mm.config.schedule import scale_schedule
from ccmim_mm.config_parts import find_dicts
from ccmim_mm.datasets.data_root import leaf
from ccmim_mm.engine.runner.schedule_length import schedule_length

SYNC = dict(type='SyncBN')
MOCO = 'mmpretrain::mocov3/mocov3_vit-{}-p16_16xb256-amp-coslr-300e_in1k.py'
SIMCLR = 'mmpretrain::simclr/simclr_resnet50_16xb256-coslr-200e_in1k.py'
DENSE = 'mmpretrain::densecl/densecl_resnet50_8xb32-coslr-200e_in1k.py'
#: The recipes at the published size, and what they are compared with.
RECIPES = {
    'mocov3_vit-s': MOCO.format('small'),
    'mocov3_vit-b': MOCO.format('base'),
    'densecl_resnet50': DENSE,
}
#: What is changed on purpose: our class around mmpretrain's, and norms that
#: are their defaults, said.
CHANGES = {
    'mocov3': {
        'type': 'MoCoV3Method',
        'neck.norm_cfg': SYNC,
        'head.predictor.norm_cfg': SYNC,
    },
    'densecl': {'type': 'DenseCLMethod'},
}
ALL = [
    *('mocov3_vit-s', 'mocov3_vit-b', 'simclr_vit-s', 'simclr_vit-b'),
    *('densecl_resnet50', 'mocov3_vit-tiny_demo', 'simclr_vit-tiny_demo'),
    'densecl_resnet18_demo',
]


def changed(model, changes):
    model = Config(dict(model=model.to_dict()))
    model.merge_from_dict({f'model.{k}': v for k, v in changes.items()})
    return model.model.to_dict()


@pytest.mark.parametrize('name', RECIPES)
def test_the_model_is_mmpretrains(name):
    changes = CHANGES[name.partition('_')[0]]
    expected = changed(get_config(RECIPES[name]).model, changes)
    assert load(name).model.to_dict() == expected


@pytest.mark.parametrize('size', ['s', 'b'])
def test_simclr_is_mocov3s_vit_with_simclrs_head(size):
    model, moco = load(f'simclr_vit-{size}').model, load(f'mocov3_vit-{size}')
    assert model.to_dict() == dict(
        type='SimCLRMethod',
        backbone=moco.model.backbone.to_dict(),
        neck=moco.model.neck.to_dict(),
        head=get_config(SIMCLR).model.head.to_dict(),
    )


@pytest.mark.parametrize('name', RECIPES)
def test_views_optimizer_and_schedule_are_mmpretrains(name):
    ours, theirs = load(name), get_config(RECIPES[name])
    pipeline = leaf(ours, 'train').pipeline
    expected = copy.deepcopy(theirs.train_dataloader.dataset.pipeline)
    assert expected[0].type == 'LoadImageFromFile'
    expected[0].type = 'LoadUprightImage'
    for jitter in find_dicts(expected, 'hue'):
        jitter.type = 'WrappedHueColorJitter'
    assert [t.to_dict() for t in pipeline] == [t.to_dict() for t in expected]
    optimizer = dict(ours.optim_wrapper.optimizer)
    assert optimizer.pop('fused')
    assert optimizer == theirs.optim_wrapper.optimizer
    assert ours.optim_wrapper.get('paramwise_cfg') is None
    assert ours.param_scheduler == theirs.param_scheduler
    assert ours.train_cfg.max_epochs == theirs.train_cfg.max_epochs
    for key in ('batch_size', 'drop_last'):
        expected = dict(drop_last=True) | theirs.train_dataloader
        assert ours.train_dataloader[key] == expected[key]
    assert ours.auto_scale_lr == theirs.auto_scale_lr


@pytest.mark.parametrize('name', ALL)
def test_parts_agree(name):
    cfg = load(name)
    model = MODELS.build(cfg.model)
    # Norms are said wherever the default is SyncBN.
    kinds = Counter(type(m).__name__ for m in model.modules())
    if 'demo' in name:
        assert not kinds['SyncBatchNorm']
    (_, multi, _) = leaf(cfg, 'train').pipeline
    sizes = {view[0].scale for view in multi.transforms}
    (panel,) = (h for h in cfg.custom_hooks if h.type == 'PanelHook')
    # One view, as the evaluation sees it.
    assert panel.dataset.pipeline == leaf(cfg, 'val').pipeline
    assert sizes == {leaf(cfg, 'val').pipeline[2].crop_size}
    if 'vit' in name:
        assert sizes == {cfg.model.backbone.img_size}
    else:
        hooks = {h.type: h for h in cfg.custom_hooks}
        iters = 100 if 'demo' in name else 10000
        assert hooks['DenseCLHook'].start_iters == iters
        gpus = 1 if 'demo' in name else 8
        batch = gpus * cfg.train_dataloader.batch_size
        assert cfg.model.queue_len % batch == 0
        assert batch == cfg.auto_scale_lr.base_batch_size
    modules = cfg.optim_wrapper.get('modules', ())
    assert all(hasattr(model, part) for part in modules)
    assert cfg.optim_wrapper.get('accumulative_counts', 1) == 1
    assert schedule_length(cfg).schedule == cfg.train_cfg.max_epochs
    check_another_size(cfg)
    if len(cfg.param_scheduler) == 2:
        check_another_length(cfg)
    else:
        scale_schedule(cfg, epochs=6)
        assert schedule_length(cfg).schedule == 6


class Answers(TorchDispatchMode):
    """A device whose numbers can be read: they are 1, and are counted.

    What is drawn on the CPU is listed.
    """

    def __init__(self):
        super().__init__()
        self.reads = 0
        self.drawn = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            self.reads += 1
            return 1
        out = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags and (
            out.device.type == 'cpu'
        ):
            self.drawn.append(func.overloadpacket.__name__)
        return out


@pytest.mark.usefixtures('gpu')
@pytest.mark.parametrize('name', ALL)
def test_a_step_stays_on_the_gpu(name):
    cfg = load(name)
    MessageHub.get_current_instance().update_info('max_iters', 10)
    with (
        # A ResNet reads tensors while it is built, and fake ones have no
        # values: built for real, and moved without them.
        unset_fake_temporarily(),
    ):
        model = MODELS.build(cfg.model).train()
    model.to_empty(device='cuda')
    size = leaf(cfg, 'val').pipeline[2].crop_size
    views = [torch.empty(4, 3, size, size, device='cuda') for _ in range(2)]
    dtypes = set()
    (*_, linear) = (m for m in model.neck.modules() if hasattr(m, 'weight'))
    linear.register_forward_hook(lambda *a: dtypes.add(a[2].dtype))
    with (
        Answers() as answers,
        torch.autocast('cuda', dtype=torch.bfloat16),
    ):
        losses = model.loss(views, None)
    for key, value in losses.items():
        assert value.device.type == 'cuda', key
        assert value.shape == (), key
    assert dtypes == {torch.bfloat16}
    # mmpretrain's average counts its steps on the device, and reads them;
    # DenseCL reads where each of its queues begins. It shuffles the keys of
    # all processes in an order that is drawn on the CPU, the same number for
    # every device; to index by it is a copy to the device, and no wait for
    # it. Nothing else is drawn there.
    dense = 'densecl' in name
    assert (answers.reads > 0) == ('simclr' not in name)
    assert not dense or answers.reads == 3
    assert answers.drawn == ['randperm'] * dense
