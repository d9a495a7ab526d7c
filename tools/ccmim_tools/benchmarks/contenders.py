"""The training steps that are compared, built from one model config."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ccmim_mm.models import CCMIM

from .transcription import PlainCCMIM

STOCK = 'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py'


@dataclass
class Contender:
    """A model with its optimizer and one fixed synthetic batch.

    Attributes:
        name: One of the package's ``NAMES``.
        model: The model, in training mode.
        optimizer: AdamW over its parameters.
        inputs: Normalised pictures, ``(B, 3, H, W)``.
        bf16: Whether the forward pass runs under bf16 autocast.
        reads: Whether losses are read from the device in every step, as
            the release and mmengine's stock hook do.
    """

    name: str
    model: Any
    optimizer: torch.optim.Optimizer
    inputs: Tensor
    bf16: bool
    reads: bool

    @property
    def parts(self) -> dict[str, tuple[Any, str]]:
        """Object and method of each part of a step, as they follow."""
        model, parts = self.model, {}
        if isinstance(model, CCMIM):
            parts = dict(
                embed=(model.backbone, 'embed'),
                score=(model.backbone, 'score'),
                visible=(model.backbone, 'encode'),
                decoder=(model.neck, 'forward'),
                reconstruction=(model.head, 'loss'),
                masked=(model.backbone, 'encode_cls'),
            )
            if model.align_head is not None:
                parts['align'] = (model.align_head, 'loss')
        return parts | dict(
            forward=(self, 'forward'),
            optimizer=(self.optimizer, 'step'),
            step=(self, 'step'),
        )

    def forward(self) -> Tensor:
        """The objective, a scalar."""
        autocast = (
            torch.autocast(self.inputs.device.type, dtype=torch.bfloat16)
            if self.bf16
            else nullcontext()
        )
        with autocast:
            if isinstance(self.model, PlainCCMIM):
                losses = self.model(self.inputs)
            else:
                losses = self.model(self.inputs, [], mode='loss')
            if self.reads:
                _ = [value.item() for value in losses.values()]
            return sum(
                value for name, value in losses.items() if 'loss' in name
            )

    def step(self) -> None:
        """One whole training step."""
        self.forward().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def check_contenders(cfg: Config) -> None:
    """Refuse a config that no contenders can be made of.

    Raises:
        ValueError: Naming one that they can.
    """
    kind = MODELS.get((cfg.get('model') or {}).get('type') or '')
    if not (isinstance(kind, type) and issubclass(kind, CCMIM)):
        raise ValueError(
            f'{cfg.filename} is of no ccMIM, which all contenders are made '
            'of: give one as ccmim_vit-s, or measure any by ccmim bench '
            'methods'
        )


def resize(model: ConfigDict, img_size: int) -> ConfigDict:
    """The model config for pictures of another size, in pixels."""
    model = copy.deepcopy(model)
    model.backbone.img_size = img_size
    patches = (img_size // model.backbone.patch_size) ** 2
    model.neck.num_patches = patches
    return model


def _fast(model: ConfigDict) -> nn.Module:
    visible = MODELS.build(model).mask_sampler.num_visible(
        model.neck.num_patches
    )
    model.backbone.score_layers = 1
    return MODELS.build(model | dict(align_patches=visible))


def _mae(model: ConfigDict) -> nn.Module:
    model.mask_sampler.type = 'RandomMaskSampler'
    return MODELS.build(model | dict(align_head=None))


def _mmpretrain_mae(model: ConfigDict) -> nn.Module:
    """Mmpretrain's own MAE at the same sizes, from its own config."""
    stock = get_config(STOCK)
    for part, keys in (
        ('backbone', ('arch', 'img_size', 'patch_size')),
        (
            'neck',
            (
                'num_patches',
                'patch_size',
                'embed_dim',
                'decoder_embed_dim',
                'decoder_depth',
                'decoder_num_heads',
            ),
        ),
        ('head', ('patch_size',)),
    ):
        stock.model[part].update({key: model[part][key] for key in keys})
    return MODELS.build(stock.model)


def _plain(model: ConfigDict) -> nn.Module:
    own: CCMIM = MODELS.build(model)
    layer = own.backbone.layers[0]
    neck = model.neck
    return PlainCCMIM(
        width=layer.embed_dims,
        depth=len(own.backbone.layers),
        heads=layer.attn.num_heads,
        img_size=model.backbone.img_size,
        patch_size=model.backbone.patch_size,
        decoder=(
            neck.decoder_embed_dim,
            neck.decoder_depth,
            neck.decoder_num_heads,
        ),
        mask_ratio=own.mask_sampler.mask_ratio,
    )


_BUILDERS: dict[str, Callable[[ConfigDict], nn.Module]] = dict(
    ccmim=MODELS.build,
    ccmim_fast=_fast,
    mae=_mae,
    mmpretrain_mae=_mmpretrain_mae,
    plain=_plain,
)


def build_contender(
    name: str,
    model_cfg: ConfigDict,
    batch_size: int,
    device: str,
    precision: str,
    fake: bool = False,
) -> Contender:
    """Build one contender.

    Args:
        name: One of the package's ``NAMES``.
        model_cfg: The exact ccMIM that all contenders are derived from.
        batch_size: Pictures a step.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16`` (autocast).
        fake: The tensors have no values: leave out what would read them.
    """
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = _BUILDERS[name](copy.deepcopy(model_cfg))
        size = model_cfg.backbone.img_size
        inputs = torch.randn(batch_size, 3, size, size)
    if not (fake or isinstance(model, PlainCCMIM)):
        model.init_weights()
    own = isinstance(model, CCMIM)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=1e-5,
        betas=(0.9, 0.95),
        weight_decay=0.05,
        fused=own or None,
    )
    return Contender(
        name=name,
        model=model.train(),
        optimizer=optimizer,
        inputs=inputs,
        bf16=precision == 'bf16',
        reads=not (fake or own),
    )
