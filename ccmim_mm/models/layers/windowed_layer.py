"""A transformer layer for large maps: windows, and no attention map."""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmpretrain.models.backbones.vit_sam import (
    Attention,
    TransformerEncoderLayer,
    get_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor
from torch.utils.checkpoint import checkpoint


class FusedRelPosAttention(Attention):
    """mmpretrain's attention of SAM, computed by a fused kernel.

    Decomposed relative positions add ``q . Rh`` of the key's row and
    ``q . Rw`` of its column to the logits. Here these products are appended
    to each query and the key's row and column, one-hot, to each key, so that
    a plain dot product is the whole logit and no map is built: ``O(N)``
    memory for ``N`` tokens. Same parameters, same function as the parent.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Attend.

        Args:
            x: ``(B, H, W, C)``.

        Returns:
            ``(B, H, W, C)``.
        """
        batch, height, width, channels = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        head_dims = value.shape[-1]
        if self.use_rel_pos:
            query, key = self._append_positions(query, key, height, width)
            # Fused kernels want one width for all three.
            value = F.pad(value, (0, query.shape[-1] - head_dims))
        mixed = F.scaled_dot_product_attention(
            query, key, value, scale=self.scale
        )[..., :head_dims]
        mixed = mixed.transpose(1, 2).reshape(batch, height, width, channels)
        return self.proj(mixed)

    def _append_positions(
        self, query: Tensor, key: Tensor, height: int, width: int
    ) -> tuple[Tensor, Tensor]:
        """``(B, h, N, d)`` to ``(B, h, N, d + H + W)``, both."""
        by_row = get_rel_pos(height, height, self.rel_pos_h)
        by_column = get_rel_pos(width, width, self.rel_pos_w)
        grid = query.unflatten(2, (height, width))
        rows = torch.einsum('bnhwc,hkc->bnhwk', grid, by_row.to(grid))
        columns = torch.einsum('bnhwc,wkc->bnhwk', grid, by_column.to(grid))
        positions = torch.cat((rows, columns), dim=-1).flatten(2, 3)
        # The kernel scales the logit, and these are to count in full.
        query = torch.cat((query, positions / self.scale), dim=-1)
        eye_rows = torch.eye(height, device=key.device, dtype=key.dtype)
        eye_columns = torch.eye(width, device=key.device, dtype=key.dtype)
        one_hot = torch.cat(
            (
                eye_rows.repeat_interleave(width, dim=0),
                eye_columns.repeat(height, 1),
            ),
            dim=-1,
        )
        one_hot = one_hot.expand(*key.shape[:2], -1, -1)
        return query, torch.cat((key, one_hot), dim=-1)


class WindowedLayer(TransformerEncoderLayer):
    """mmpretrain's layer of SAM with drop path on both its branches.

    Args:
        embed_dims: Width C.
        num_heads: Attention heads.
        feedforward_channels: Hidden width of the FFN.
        drop_path_rate: Stochastic depth rate in [0, 1).
        use_rel_pos: Whether to add decomposed relative positions.
        window_size: Side of the windows, in tokens; 0 attends globally.
        input_size: ``(H, W)`` of the map, for the relative positions.
        norm_cfg: Normalisation layer.
        with_cp: Recompute activations instead of storing them.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        drop_path_rate: float,
        use_rel_pos: bool,
        window_size: int,
        input_size: tuple[int, int],
        norm_cfg: dict,
        with_cp: bool = False,
    ) -> None:
        super().__init__(
            embed_dims=embed_dims,
            num_heads=num_heads,
            feedforward_channels=feedforward_channels,
            drop_path_rate=drop_path_rate,
            use_rel_pos=use_rel_pos,
            window_size=window_size,
            input_size=input_size,
            norm_cfg=norm_cfg,
        )
        self.attn = FusedRelPosAttention(
            embed_dims=embed_dims,
            num_heads=num_heads,
            use_rel_pos=use_rel_pos,
            input_size=(window_size, window_size)
            if window_size
            else input_size,
        )
        self.drop_path = DropPath(drop_path_rate)
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> Tensor:
        """``(B, H, W, C)`` to the same."""
        if self.with_cp and x.requires_grad:
            return checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        mixed = self.ln1(x)
        if self.window_size:
            mixed, padded = window_partition(mixed, self.window_size)
        mixed = self.attn(mixed)
        if self.window_size:
            mixed = window_unpartition(
                mixed, self.window_size, padded, (height, width)
            )
        x = x + self.drop_path(mixed)
        return self.ffn(self.ln2(x), identity=x)
