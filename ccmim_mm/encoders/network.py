"""The encoder of a checkpoint, built of its config or of its tensors."""

import math
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import QuickGELU
from torch import Tensor, nn

from ..checkpoints import Weights, heads_of
from ..checkpoints.load import load
from ..checkpoints.match import ENCODER
from ..checkpoints.positions import fit_positions
from ..models.plain_vit import (
    Shape,
    build_plain_vit,
    is_plain_vit,
    shape_of,
)

_REMEDY = ' --config names its config, or the work dir of its run'
_POLICY = ENCODER._replace(remedy=_REMEDY)


def build_network(
    weights: Weights,
    cfg: Config | None = None,
    grid: tuple[int, int] | None = None,
) -> nn.Module:
    """The encoder with a checkpoint's weights, see :class:`Source`.

    Args:
        weights: The checkpoint.
        cfg: The config of its run; None builds a plain ViT of the tensors'
            own sizes.
        grid: Rows and columns of its patches then; None takes a square.

    Raises:
        ValueError: If they do not fit, or it is no plain ViT and there is no
            config.
    """
    network = _plain_vit(weights, grid) if cfg is None else _named(cfg)
    if isinstance(network, VisionTransformer):
        network.out_type = 'raw'
    # Of the wrong config nothing is made to fit.
    state = weights.state
    fit_positions(network, state, _POLICY._replace(resize=False))
    account = load(network, state, _POLICY, heads=weights.heads)
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


def shape_within(weights: Weights, network: nn.Module) -> Shape | None:
    """What a plain ViT is that was built; None if it is another network.

    Args:
        weights: Its checkpoint.
        network: Of :func:`build_network`.

    Raises:
        ValueError: If its layers differ, or its patches are no squares.
    """
    backbone: Any = network.backbone
    plain = is_plain_vit(weights.state)
    if not plain or not isinstance(backbone, VisionTransformer):
        return None
    heads = {*heads_of(network).values()}
    if len(heads) != 1:
        raise ValueError(
            f'its layers have {sorted(heads)} attention heads: a plain ViT '
            'has the same number in each'
        )
    return shape_of(
        weights,
        backbone.patch_resolution,
        heads.pop(),
        backbone.ln1.eps,
        any(isinstance(module, QuickGELU) for module in backbone.modules()),
    )


def _plain_vit(
    weights: Weights, grid: tuple[int, int] | None
) -> VisionTransformer:
    if not is_plain_vit(weights.state):
        raise ValueError(
            f'it is no plain ViT, whose network its tensors tell:{_REMEDY}'
        )
    if weights.num_heads is None:
        width = weights.state['backbone.cls_token'].shape[-1]
        raise ValueError(
            'it does not tell how many attention heads it has, nor does its '
            f'width of {width}:{_REMEDY}'
        )
    count = weights.state['backbone.pos_embed'].shape[1] - 1
    rows, columns = grid or (math.isqrt(count),) * 2
    if rows * columns != count:
        raise ValueError(
            f'its {count} patches are no square picture, and it does not tell '
            f'how many rows they are:{_REMEDY}'
        )
    return build_plain_vit(
        shape_of(weights, (rows, columns), weights.num_heads)
    )
