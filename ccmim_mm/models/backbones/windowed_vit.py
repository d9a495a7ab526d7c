"""A plain ViT for detection: most layers attend within windows."""

from typing import Self

import numpy as np
from mmengine.model import ModuleList
from mmengine.registry import MODELS
from mmpretrain.models import ViTSAM
from torch import Tensor

from ..layers.windowed_layer import WindowedLayer

#: Width, layers and heads by name; the FFN is four times as wide.
ARCHS = dict(
    small=(384, 12, 6),
    base=(768, 12, 12),
    large=(1024, 24, 16),
    huge=(1280, 32, 16),
)


@MODELS.register_module()
class WindowedViT(ViTSAM):
    """The backbone of ViTDet (arXiv 2203.16527), from a plain ViT's weights.

    mmpretrain's ``ViTSAM`` with drop path on the attention branch, fused
    attention, a small size and activation checkpointing. Every fourth part
    of the layers ends with one that attends globally. It takes the
    parameters of a pre-trained ViT by their names, the position table with
    its CLS slot included; CLS token and final norm have no use here.

    Args:
        arch: ``small``, ``base``, ``large``, ``huge``, or a dict with
            ``embed_dims``, ``num_layers``, ``num_heads`` and
            ``feedforward_channels``.
        img_size: Side of the training input, in pixels; other sizes are
            interpolated to.
        patch_size: Side of a patch, in pixels.
        in_channels: Channels of a picture.
        drop_path_rate: Stochastic depth rate of the last layer, in [0, 1);
            it grows linearly from 0.
        use_rel_pos: Whether to add decomposed relative positions; they
            start at zero, so the start is the pre-trained function.
        window_size: Side of the windows, in tokens.
        num_global: Layers that attend globally, evenly spread.
        with_cp: Recompute activations instead of storing them.
        norm_cfg: Normalisation layer.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the arch is unknown or the layers cannot be split.
    """

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: int = 1024,
        patch_size: int = 16,
        in_channels: int = 3,
        drop_path_rate: float = 0.1,
        use_rel_pos: bool = True,
        window_size: int = 14,
        num_global: int = 4,
        with_cp: bool = False,
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        settings = self._settings(arch)
        depth = settings['num_layers']
        if depth % num_global:
            raise ValueError(
                f'{depth} layers do not split into num_global={num_global} '
                'equal parts: set it to a divisor'
            )
        every = depth // num_global
        super().__init__(
            # Its layers are not ours: one keeps the making of them short.
            arch=settings | dict(num_layers=1, global_attn_indexes=[]),
            img_size=img_size,
            patch_size=patch_size,
            in_channels=in_channels,
            out_channels=0,
            out_indices=[0],
            use_rel_pos=use_rel_pos,
            window_size=window_size,
            norm_cfg=norm_cfg,
            init_cfg=init_cfg,
        )
        self.num_layers, self.out_indices = depth, [depth - 1]
        self.layers = ModuleList(
            WindowedLayer(
                embed_dims=self.embed_dims,
                num_heads=settings['num_heads'],
                feedforward_channels=settings['feedforward_channels'],
                drop_path_rate=float(rate),
                use_rel_pos=use_rel_pos,
                window_size=0 if (i + 1) % every == 0 else window_size,
                input_size=self.patch_resolution,
                norm_cfg=norm_cfg,
                with_cp=with_cp,
            )
            for i, rate in enumerate(np.linspace(0, drop_path_rate, depth))
        )

    def train(self, mode: bool = True) -> Self:
        """Switch the mode and return self, which the parent forgets to."""
        super().train(mode)
        return self

    @staticmethod
    def _settings(arch: str | dict) -> dict:
        if isinstance(arch, dict):
            return arch
        if arch not in ARCHS:
            raise ValueError(
                f'unknown arch {arch!r}: use one of {", ".join(ARCHS)}, or a '
                'dict'
            )
        width, depth, heads = ARCHS[arch]
        return dict(
            embed_dims=width,
            num_layers=depth,
            num_heads=heads,
            feedforward_channels=4 * width,
        )

    def _prepare_pos_embed(
        self, state_dict: dict[str, Tensor], prefix: str, *args, **kwargs
    ) -> None:
        """Bring a table ``(1, 1 + L, C)`` into the parent's shape."""
        name = f'{prefix}pos_embed'
        table = state_dict.get(name)
        if table is not None and table.ndim == 3:
            side = int((table.shape[1] - 1) ** 0.5)
            if side**2 != table.shape[1] - 1:
                raise ValueError(
                    f'{name} has {table.shape[1]} positions: expected a CLS '
                    'slot and a square'
                )
            state_dict[name] = table[:, 1:].unflatten(1, (side, side))
        super()._prepare_pos_embed(state_dict, prefix, *args, **kwargs)
