"""The contrastive methods' demos, as models and runs small enough."""

import torch
from conftest import ROOT, build
from mmengine.config import Config
from mmengine.logging import MessageHub

from ccmim_mm.apis import config_for_training

STEPS, STEP = 10, 3
STRIDES = (1, 1, 2, 1)
VIT = {
    'model.backbone.arch': dict(
        embed_dims=32, num_layers=3, num_heads=4, feedforward_channels=64
    ),
    'model.backbone.img_size': 32,
    'model.neck.in_channels': 32,
    'model.neck.hid_channels': 24,
    'model.neck.out_channels': 16,
}
OPTIONS = dict(
    mocov3=VIT
    | {
        'model.head.predictor.in_channels': 16,
        'model.head.predictor.hid_channels': 24,
        'model.head.predictor.out_channels': 16,
    },
    simclr=VIT,
    densecl={
        'model.queue_len': 16,
        'model.feat_dim': 8,
        'model.backbone.stem_channels': 8,
        'model.backbone.base_channels': 8,
        'model.backbone.strides': STRIDES,
        'model.neck.in_channels': 64,
        'model.neck.hid_channels': 16,
        'model.neck.out_channels': 8,
    },
)
PATHS = dict(
    mocov3='configs/mocov3_vit-tiny_demo.py',
    simclr='configs/simclr_vit-tiny_demo.py',
    densecl='configs/densecl_resnet18_demo.py',
)
#: The key encoder, and where its parts lie in the model.
AVERAGES = dict(mocov3='momentum_encoder', densecl='encoder_k')


def model_cfg(method, **changes):
    cfg = Config.fromfile(ROOT / PATHS[method])
    cfg.merge_from_dict(OPTIONS[method])
    cfg.merge_from_dict({f'model.{k}': v for k, v in changes.items()})
    return dict(data_preprocessor=cfg.data_preprocessor) | cfg.model.to_dict()


def running(method, dtype=torch.float32, **changes):
    """A model in the middle of a run: its key encoder is another already."""
    model = build(model_cfg(method, **changes)).train().to(dtype)
    MessageHub.get_current_instance().update_info('max_iters', STEPS)
    if method in AVERAGES:
        average = getattr(model, AVERAGES[method])
        average.steps.fill_(STEP)
        pairs = zip(
            average.module.parameters(),
            [*model.backbone.parameters(), *model.neck.parameters()],
            strict=True,
        )
        for key, value in pairs:
            key.data.copy_(value.data + 0.1 * torch.randn(value.shape))
    return model


def leaves(model):
    """Its tensors, parameters with a graph to begin at."""
    state = {n: v.detach().clone() for n, v in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        state[name].requires_grad_(parameter.requires_grad)
    return state


def keys_of(model, method):
    """The key encoder's parameters, by the encoder's names."""
    average = getattr(model, AVERAGES[method]).module
    return {
        name.replace('0.', 'backbone.', 1)
        if name.startswith('0.')
        else name.replace('1.', 'neck.', 1): value.detach().clone()
        for name, value in average.named_parameters()
    }


def views_of(pictures, dtype=torch.float32):
    generator = torch.Generator().manual_seed(4)
    return [
        torch.randn(pictures, 3, 32, 32, generator=generator).to(dtype)
        for _ in range(2)
    ]


def run_cfg(method, data, work_dir, options=(), **kwargs):
    """Two epochs of three steps of eight pictures, of 32 pixels."""
    cfg = config_for_training(
        ROOT / PATHS[method],
        {
            **OPTIONS[method],
            'train_cfg.max_epochs': 2,
            'train_cfg.val_interval': 2,
            'train_dataloader.batch_size': 8,
            'train_dataloader.num_workers': 0,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.interval': 1,
            **dict(options),
        },
        data,
        work_dir,
        **kwargs,
    )
    multi = cfg.train_dataloader.dataset.dataset.pipeline[1]
    multi.transforms[0][0].scale = 32
    pipelines = [
        loader.dataset.dataset.pipeline
        for loader in (cfg.val_dataloader, cfg.val_cfg.bank_dataloader)
    ]
    pipelines += [
        hook.dataset.pipeline
        for hook in cfg.custom_hooks
        if hook.type == 'PanelHook'
    ]
    for pipeline in pipelines:
        pipeline[1].scale = pipeline[2].crop_size = 32
    for hook in cfg.custom_hooks:
        if hook.type == 'DenseCLHook':
            hook.start_iters = 2
    cfg.experiment_name = f'{method}{work_dir}{kwargs}'
    return cfg
