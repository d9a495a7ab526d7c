"""What the tests of all methods with a teacher share."""

import copy

import reference
import torch
from conftest import ROOT, build
from mmengine.config import Config
from plain_vit import as_timm, random_vit, timm_name

from ccmim_mm.apis import config_for_training

CONFIG = ROOT / 'tests/tiny_teacher_config.py'
_LOADED = Config.fromfile(CONFIG)
TINY = dict(
    **_LOADED.model.to_dict(),
    data_preprocessor=_LOADED.data_preprocessor.to_dict(),
)

MIMCO = dict(
    type='MimCo', head=dict(type='MimCoHead', in_channels=32, out_channels=32)
)
IMAE_CONFIG = ROOT / 'tests/tiny_imae_config.py'
IMAE = Config.fromfile(IMAE_CONFIG).model.to_dict()


def save_teacher(folder, seed=0):
    """A teacher's file; its weights by timm's names."""
    state = random_vit(seed=seed)
    path = folder / f'teacher{seed}.pth'
    torch.save(as_timm(state), path)
    return str(path), state


def save_mae(folder, seed=0, **sizes):
    """A MAE's file and its weights, by the release's names."""
    torch.manual_seed(seed)
    state = {
        name: value
        for name, value in reference.random_state(**sizes).items()
        if not name.startswith('projector')
    }
    path = folder / f'mae{seed}.pth'
    torch.save(dict(model=state), path)
    return str(path), state


def method(path, seed=0, **changes):
    """A tiny method in training mode that has its teacher."""
    cfg = copy.deepcopy(TINY) | changes
    cfg['teacher']['checkpoint'] = path
    model = build(cfg, seed)
    model.before_training()
    return model.train()


def batch(count=6):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, 32, 32, generator=generator)
    noise = torch.rand(count, 16, generator=generator)
    return images, noise


def student_state(model):
    """The student's parameters by timm's names, as leaves."""
    renamed = {}
    for name, value in model.state_dict().items():
        name = timm_name(name.removeprefix('backbone.'))
        value = value.detach().clone()
        if value.is_floating_point() and name != 'pos_embed':
            value.requires_grad_()
        renamed[name] = value
    return renamed


def check_gradients(model, state, rtol=1e-4):
    """The model's gradients are the reference's, and none is missing.

    In fp32 and other orders of sums, through layers that amplify.
    """
    state_names = list(model.state_dict())
    wanted = dict(zip(state_names, state.values(), strict=True))
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        expected = wanted[name].grad
        assert expected.abs().sum() > 0, name
        error = (parameter.grad - expected).norm() / expected.norm()
        assert error < rtol, name


def tiny_run(
    data, work_dir, teacher, options=(), name='', config=CONFIG, **kwargs
):
    """The config of a run of the tiny method."""
    cfg = config_for_training(
        config,
        dict(options),
        data,
        work_dir,
        teacher=teacher,
        **kwargs,
    )
    cfg.experiment_name = f'teacher{work_dir}{name}'
    return cfg
