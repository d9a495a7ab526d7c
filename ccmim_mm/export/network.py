"""The encoder of a checkpoint, built of its config or of its tensors."""

import math
import re
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import QuickGELU
from torch import Tensor, nn

from ..checkpoints import heads_of
from ..checkpoints.load import load
from ..checkpoints.match import INTO_BACKBONE
from ..checkpoints.positions import fit_positions
from ..models.teachers.encoder import USUAL_HEADS

#: An encoder may have been trained with a token for masked patches.
_POLICY = INTO_BACKBONE._replace(
    what='encoder tensors',
    new=re.compile(r'(?!)'),
    unused=re.compile(r'mask_token'),
    remedy=' --config names its config, or the work dir of its run',
)
#: Of a checkpoint with a momentum encoder, which is exported or not.
_AVERAGED = ('momentum_encoder.', 'trained.')
_LAYER = re.compile(r'backbone\.layers\.(\d+)\.ln1\.weight')


class Shape(NamedTuple):
    """The sizes of a plain ViT; all but heads and eps are its tensors'.

    Attributes:
        width: Channels of a token.
        layers: Their number.
        heads: Attention heads of a layer.
        hidden: Width of a layer's FFN.
        patch: Side of a patch, in pixels.
        size: Height and width of a picture, in pixels.
        channels: Of a picture.
        eps: What the norms add to the variance.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    size: tuple[int, int]
    channels: int
    eps: float

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.size[0] // self.patch, self.size[1] // self.patch

    @property
    def tokens(self) -> int:
        """The patches and the CLS token."""
        return 1 + self.grid[0] * self.grid[1]


def build_network(
    state: dict[str, Tensor],
    heads: dict[str, int] = {},
    cfg: Config | None = None,
    grid: tuple[int, int] | None = None,
) -> nn.Module:
    """The encoder with a checkpoint's weights, see :class:`Source`.

    Args:
        state: Parameters by this project's names.
        heads: What the checkpoint tells of attention heads.
        cfg: The config of its run; None builds a plain ViT of the tensors'
            own sizes.
        grid: Rows and columns of its patches then; None takes a square.

    Raises:
        ValueError: If they do not fit, or it is no plain ViT and there is no
            config.
    """
    network = _plain_vit(state, heads, grid) if cfg is None else _named(cfg)
    if isinstance(network, VisionTransformer):
        network.out_type = 'raw'
    # Of the wrong config nothing is made to fit.
    fit_positions(network, state, _POLICY._replace(resize=False))
    account = load(network, state, _POLICY, heads=heads)
    if account.table:
        was, now = account.table
        raise ValueError(
            f'its positions are {was}, and its config has {now}: --config '
            'names the one that it was trained by'
        )
    return LastOutput(network).eval().requires_grad_(False)


def _named(cfg: Config) -> nn.Module:
    """The backbone that a config names.

    Raises:
        ValueError: If it names none, or one that cannot be built.
    """
    backbone = (cfg.get('model') or {}).get('backbone')
    if backbone is None:
        raise ValueError(f'{cfg.filename} names no model.backbone')
    scope = cfg.get('default_scope', 'mmpretrain')
    try:
        with DefaultScope.overwrite_default_scope(scope):
            return MODELS.build(backbone)
    # Of a type that nobody registered, or arguments that it has not.
    except (KeyError, TypeError, AttributeError) as error:
        reason = str(error.args[0]).partition('\n')[0]
        raise ValueError(
            f'the backbone of {cfg.filename} is not built: {reason}'
        ) from None


class LastOutput(nn.Module):
    """A backbone that returns what its last stage does, alone.

    Args:
        backbone: One of mmpretrain, which returns a tuple.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Tokens ``(B, 1 + L, D)`` or a map ``(B, D, h, w)``."""
        return self.backbone(pixel_values)[-1]


def shape_of(state: dict[str, Tensor], network: nn.Module) -> Shape | None:
    """The sizes of a plain ViT; None if it is another network.

    Raises:
        ValueError: If its layers differ, or its patches are no squares.
    """
    backbone: Any = network.backbone
    if not _is_vit(state) or not isinstance(backbone, VisionTransformer):
        return None
    # CLIP's.
    if any(isinstance(module, QuickGELU) for module in backbone.modules()):
        return None
    heads = {*heads_of(network).values()}
    if len(heads) != 1:
        raise ValueError(
            f'its layers have {sorted(heads)} attention heads: a plain ViT '
            'has the same number in each'
        )
    sizes = _sizes(state, backbone.patch_resolution)
    return Shape(heads=heads.pop(), eps=backbone.ln1.eps, **sizes)


def _is_vit(state: dict[str, Tensor]) -> bool:
    names = ('cls_token', 'pos_embed', 'layers.0.attn.qkv.weight', 'ln1.bias')
    plain = 'backbone.pre_norm.weight' not in state
    return plain and all(f'backbone.{name}' in state for name in names)


def _sizes(
    state: dict[str, Tensor], grid: tuple[int, int] | None = None
) -> dict[str, Any]:
    """What the tensors tell of :class:`Shape`.

    Args:
        state: Parameters by this project's names.
        grid: Rows and columns of patches; None takes a square of them.
    """
    projection = state['backbone.patch_embed.projection.weight']
    width, channels, patch, other = projection.shape
    count = state['backbone.pos_embed'].shape[1] - 1
    if patch != other:
        raise ValueError(
            f'its patches of {patch} x {other} pixels are no squares, the one '
            'kind that is exported'
        )
    rows, columns = grid or (math.isqrt(count),) * 2
    if rows * columns != count:
        raise ValueError(
            f'its {count} patches are no square picture, and it does not tell '
            'how many rows they are: --config names its config, or the work '
            'dir of its run'
        )
    return dict(
        width=width,
        layers=sum(bool(_LAYER.fullmatch(name)) for name in state),
        hidden=len(state['backbone.layers.0.ffn.layers.0.0.weight']),
        patch=patch,
        size=(rows * patch, columns * patch),
        channels=channels,
    )


def _plain_vit(
    state: dict[str, Tensor],
    heads: dict[str, int],
    grid: tuple[int, int] | None,
) -> VisionTransformer:
    if not _is_vit(state):
        raise ValueError(
            'it is no plain ViT, whose network its tensors tell: --config '
            'names its config, or the work dir of its run'
        )
    sizes = _sizes(state, grid)
    width = sizes['width']
    count = heads.get('backbone.layers.0.attn')
    # MoCo v3's ViT-S has 12 heads where others have 6.
    averaged = any(name.startswith(_AVERAGED) for name in state)
    if count is None and not (averaged and width == 384):
        count = USUAL_HEADS.get(width)
    if count is None:
        raise ValueError(
            'it does not tell how many attention heads it has, nor does its '
            f'width of {width}: --config names its config, or the work dir '
            'of its run'
        )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return VisionTransformer(
            arch=dict(
                embed_dims=width,
                num_layers=sizes['layers'],
                num_heads=count,
                feedforward_channels=sizes['hidden'],
            ),
            img_size=sizes['size'],
            patch_size=sizes['patch'],
            in_channels=sizes['channels'],
            out_type='raw',
            norm_cfg=dict(type='LN', eps=1e-6),
        )
