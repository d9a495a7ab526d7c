"""A plain ViT of a checkpoint's own size, whoever trained it."""

import re
from typing import NamedTuple

from mmengine.registry import DefaultScope
from mmpretrain.models import VisionTransformer
from torch import Tensor

from ..checkpoints import Weights
from ..grids import Size, as_pair

#: Mean and spread of RGB pixels in [0, 255], as others were trained on.
IMAGENET = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
CLIP = (
    [122.7709383, 116.7460125, 104.09373615],
    [68.5005327, 66.6321579, 70.32316304],
)
_LAYER = re.compile(r'backbone\.layers\.(\d+)\.ln1\.weight')


class Shape(NamedTuple):
    """What a plain ViT is: the first are its tensors', no tensor tells eps.

    Attributes:
        width: Channels of a token.
        layers: Their number.
        heads: Attention heads of a layer.
        hidden: Width of a layer's FFN.
        patch: Side of a patch, in pixels.
        size: Height and width of a picture, in pixels.
        channels: Of a picture.
        eps: What the norms add to the variance.
        pre_norm: Whether there is a norm in front of the layers, CLIP's.
        quick_gelu: Whether ``x * sigmoid(1.702 x)``, CLIP's, is its GELU.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    size: tuple[int, int]
    channels: int
    eps: float
    pre_norm: bool = False
    quick_gelu: bool = False

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.size[0] // self.patch, self.size[1] // self.patch

    @property
    def of_clip(self) -> bool:
        """Whether it has anything that CLIP's have, and no other."""
        return self.pre_norm or self.quick_gelu

    @property
    def tokens(self) -> int:
        """The patches and the CLS token."""
        return 1 + self.grid[0] * self.grid[1]


def is_plain_vit(state: dict[str, Tensor]) -> bool:
    """Whether parameters, by this project's names, are a plain ViT's."""
    names = ('cls_token', 'pos_embed', 'layers.0.attn.qkv.weight', 'ln1.bias')
    return all(f'backbone.{name}' in state for name in names)


def shape_of(
    weights: Weights,
    grid: Size,
    heads: int,
    eps: float | None = None,
    quick_gelu: bool | None = None,
) -> Shape:
    """What a plain ViT is, by its tensors.

    Args:
        weights: Its checkpoint, see :func:`is_plain_vit`.
        grid: Rows and columns of patches that it is to see.
        heads: Attention heads of a layer.
        eps: What its norms add; None is 1e-5 for CLIP and 1e-6 for others.
        quick_gelu: See :class:`Shape`; None is for CLIP alone.

    Raises:
        ValueError: If its patches are no squares, or no such heads fit.
    """
    state, clip = weights.state, weights.of_clip
    projection = state['backbone.patch_embed.projection.weight']
    width, channels, patch, other = projection.shape
    if patch != other:
        raise ValueError(
            f'its patches of {patch} x {other} pixels are no squares, the one '
            'kind that is built'
        )
    if width % heads:
        raise ValueError(f'its {width} channels are not divisible by {heads}')
    rows, columns = as_pair(grid)
    return Shape(
        width=width,
        layers=sum(bool(_LAYER.fullmatch(name)) for name in state),
        heads=heads,
        hidden=len(state['backbone.layers.0.ffn.layers.0.0.weight']),
        patch=patch,
        size=(rows * patch, columns * patch),
        channels=channels,
        eps=eps or (1e-5 if clip else 1e-6),
        pre_norm='backbone.pre_norm.weight' in state,
        quick_gelu=clip if quick_gelu is None else quick_gelu,
    )


def build_plain_vit(shape: Shape) -> VisionTransformer:
    """The ViT, of random weights: tokens ``(B, 1 + L, D)``, CLS first."""
    gelu = 'mmpretrain.QuickGELU' if shape.quick_gelu else 'GELU'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return VisionTransformer(
            arch=dict(
                embed_dims=shape.width,
                num_layers=shape.layers,
                num_heads=shape.heads,
                feedforward_channels=shape.hidden,
            ),
            img_size=shape.size,
            patch_size=shape.patch,
            in_channels=shape.channels,
            out_type='raw',
            norm_cfg=dict(type='LN', eps=shape.eps),
            layer_cfgs=dict(act_cfg=dict(type=gelu)),
            pre_norm=shape.pre_norm,
        )
