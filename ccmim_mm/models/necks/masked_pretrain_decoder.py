"""MAE's decoder, computing nothing but the masked patches."""

import math

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpretrain.models import MAEPretrainDecoder
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ...grids import Size, as_pair
from ...positions import grid_of_table, sincos_table
from ..layers import gather_tokens
from ..task_modules import MaskIndices


@MODELS.register_module()
class MaskedPretrainDecoder(MAEPretrainDecoder):
    """MAE's decoder for a loss on the masked patches alone.

    The same parameters and the same function as the parent. Attention does
    not care for the order of its tokens, so the masked ones simply stay
    behind the visible ones, and the last layer and the prediction run on
    them alone.

    Args:
        num_patches: Patches L of the model's input if it is square, or its
            rows and columns of patches.
        patch_size: Side of a patch, in pixels.
        in_chans: Channels of a picture.
        embed_dim: Width of the encoder.
        decoder_embed_dim: Width C of the decoder.
        decoder_depth: Its layers.
        decoder_num_heads: Heads of a layer.
        mlp_ratio: Hidden width of the FFN over C.
        norm_cfg: Normalisation layer.
        predict_feature_dim: Values D to predict of a patch; None is its
            pixels.
        layer: Config of a layer; a ``PartialLayer`` or relative of it.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If one number of patches is no square.
    """

    def __init__(
        self,
        num_patches: Size = 196,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 1024,
        decoder_embed_dim: int = 512,
        decoder_depth: int = 8,
        decoder_num_heads: int = 16,
        mlp_ratio: int = 4,
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        predict_feature_dim: int | None = None,
        layer: dict = dict(type='PartialLayer'),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        self.grid = _rows_and_columns(num_patches)
        super().__init__(
            num_patches=self.grid[0] * self.grid[1],
            patch_size=patch_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            decoder_embed_dim=decoder_embed_dim,
            # The layers are made here, of the config's type.
            decoder_depth=0,
            norm_cfg=norm_cfg,
            predict_feature_dim=predict_feature_dim,
            init_cfg=init_cfg,
        )
        self.decoder_blocks = nn.ModuleList(
            MODELS.build(
                layer
                | dict(
                    embed_dims=decoder_embed_dim,
                    num_heads=decoder_num_heads,
                    feedforward_channels=int(mlp_ratio * decoder_embed_dim),
                    norm_cfg=norm_cfg,
                )
            )
            for _ in range(decoder_depth)
        )
        self.register_load_state_dict_pre_hook(_keep_positions)

    def init_weights(self) -> None:
        """Initialise as the parent does, whose grid is square."""
        BaseModule.init_weights(self)
        width = self.decoder_pos_embed.shape[-1]
        self.decoder_pos_embed.data.copy_(sincos_table(self.grid, width))
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, x: Tensor, ids: MaskIndices) -> Tensor:
        """Predict the masked patches.

        Args:
            x: Encoded visible patches, ``(B, V + 1, C)``, CLS first.
            ids: Which patches of the picture they are.

        Returns:
            ``(B, L - V, D)``, in the order of ``ids.ids_masked``.
        """
        return self.decode(self.decoder_embed(x), ids)

    def decode(self, x: Tensor, ids: MaskIndices) -> Tensor:
        """What follows ``decoder_embed``.

        Args:
            x: Embedded visible patches, ``(B, V + 1, decoder_embed_dim)``,
                CLS first.
            ids: Which patches of the picture they are.

        Returns:
            ``(B, L - V, D)``, in the order of ``ids.ids_masked``.
        """
        first, rest = self.decoder_pos_embed.split([1, self.num_patches], 1)
        rest = rest.expand(len(x), -1, -1)
        masked = self.mask_token + gather_tokens(rest, ids.ids_masked)
        visible = x[:, 1:] + gather_tokens(rest, ids.ids_visible)
        x = torch.cat((x[:, :1] + first, visible, masked), dim=1)
        *blocks, last = self.decoder_blocks
        for block in blocks:
            x = block(x)
        x = last(x, rows=slice(1 + visible.shape[1], None))
        return self.decoder_pred(self.decoder_norm(x))

    def predict_all(self, x: Tensor, ids_restore: Tensor) -> Tensor:
        """Predict every patch, the visible ones too, for a picture.

        Args:
            x: Encoded visible patches, ``(B, V + 1, C)``, CLS first.
            ids_restore: ``(B, L)``.

        Returns:
            ``(B, L, D)`` in raster order.
        """
        return super().forward(x, ids_restore)


def _rows_and_columns(num_patches: Size) -> tuple[int, int]:
    """See ``MaskedPretrainDecoder.num_patches``."""
    if not isinstance(num_patches, int):
        return as_pair(num_patches)
    side = math.isqrt(num_patches)
    if side**2 != num_patches:
        raise ValueError(
            f'model.neck.num_patches={num_patches} is no square: give rows '
            'and columns of patches, as (8, 12)'
        )
    return side, side


def _keep_positions(
    module: MaskedPretrainDecoder, state: dict, prefix: str, *args
) -> None:
    """Positions are fixed: a table of another grid, as long, is not taken."""
    name = f'{prefix}decoder_pos_embed'
    table, own = state.get(name), module.decoder_pos_embed
    if table is None or table.shape != own.shape:
        return
    if grid_of_table(table) not in (None, module.grid):
        print_log('the decoder keeps its own positions', 'current')
        state[name] = sincos_table(module.grid, own.shape[-1]).to(table)
