"""A method of fake tensors, its teacher within, and no file read."""

import copy
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from mmpretrain.models import VisionTransformer
from torch import Tensor, nn

from ccmim_mm.checkpoints import Weights
from ccmim_mm.models.algorithms import imae
from ccmim_mm.models.algorithms.base import PretrainMethod
from ccmim_mm.models.teachers import encoder, frozen_teacher

from ..benchmarks.methods import with_numbers, with_teacher


def gpu_wrapper(wrapper: ConfigDict) -> ConfigDict:
    """The optimizer wrapper as a GPU with bf16 has it.

    Raises:
        ValueError: If it cannot be built without one.
    """
    kind = str(wrapper.get('type', 'OptimWrapper')).rpartition('.')[2]
    if kind not in ('OptimWrapper', 'FiniteOptimWrapper'):
        raise ValueError(
            f'optim_wrapper.type={kind} wants a GPU to be built: plan with '
            '--cfg-options optim_wrapper.type=FiniteOptimWrapper'
        )
    wrapper.pop('clip_grad', None)
    if kind == 'FiniteOptimWrapper' and (
        wrapper.get('precision', 'auto') == 'auto'
    ):
        wrapper.precision = 'bf16'
    return wrapper


def build_method(cfg: Config) -> PretrainMethod:
    """The method with its teacher, of random weights and no file."""
    model = copy.deepcopy(cfg.model)
    teacher = model.get('teacher')
    if teacher is not None and teacher.get('kind') not in ('pixel', 'hog'):
        teacher.update(checkpoint=None)
        if teacher.type == 'MAETeacher':
            # As if it were read, see below.
            teacher.checkpoint = 'of the size of the student'
        else:
            model = with_teacher(model, Path())
    with (
        # Averages of encoders begin as copies, which torch makes of values.
        mock.patch.object(Tensor, '__deepcopy__', _copy),
        # A ResNet asks these for their values.
        mock.patch.object(torch, 'linspace', _known_linspace),
    ):
        built = MODELS.build(
            model, default_args=dict(data_preprocessor=with_numbers(cfg))
        )
    if not isinstance(built, PretrainMethod):
        raise ValueError(
            f'{type(built).__name__} is no pre-training method of this '
            'project: give a config as ccmim_vit-b'
        )
    with (
        mock.patch.object(
            frozen_teacher, 'read_teacher', lambda *_: _own_weights(built)
        ),
        # There are no values to be drawn, digested, looked at or copied.
        mock.patch.object(VisionTransformer, 'init_weights', lambda _: None),
        mock.patch.object(Weights, 'digest', lambda *_: bytes(32)),
        mock.patch.object(encoder, 'load', _sizes_alone),
        mock.patch.object(imae, 'load', _sizes_alone),
    ):
        built.before_training()
    if teacher is not None and teacher.type == 'MAETeacher':
        # The file's, which init_weights() lets go.
        built.teacher.weights = None
    return revert_sync_batchnorm(built).train()


def _sizes_alone(*_, **__) -> str:
    return 'sizes alone'


def _copy(tensor: Tensor, memo: dict) -> Tensor:
    if id(tensor) not in memo:
        made = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            made = nn.Parameter(made, tensor.requires_grad)
        memo[id(tensor)] = made
    return memo[id(tensor)]


def _known_linspace(start: float, end: float, steps: int) -> list[Tensor]:
    """Numbers whose values are known: each is made of one."""
    return [torch.tensor(x) for x in np.linspace(start, end, steps)]


def _own_weights(student: Any) -> Weights:
    """A MAE as large as an i-MAE, by the names of a MAE's checkpoint."""
    state = {
        name.replace('embed_dom.', 'neck.decoder_embed.'): value
        for name, value in student.state_dict().items()
    }
    heads = student.backbone.layers[0].attn.num_heads
    return Weights(state, {'backbone.layers.0.attn': heads}, 'project')
