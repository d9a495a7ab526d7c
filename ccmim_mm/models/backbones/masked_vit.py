"""A plain ViT whose steps lie open: embed, score, encode what is chosen."""

from collections.abc import Iterable, Sequence
from typing import Literal, Self

import numpy as np
import torch
from mmengine.model import ModuleList
from mmpretrain.models import MAEViT, VisionTransformer
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...grids import Size, as_pair, as_size, in_words
from ...positions import sincos_table
from ..layers import gather_tokens
from ..layers.partial_layer import NO_ROWS

CLS_ROW = slice(0, 1)


@MODELS.register_module()
class MaskedViT(MAEViT):
    """ViT that embeds, scores and encodes a chosen set of patches.

    The steps are separate methods, so that the algorithm decides which
    patches are encoded, how often, and with or without a graph. Parameters
    carry mmpretrain's names and a checkpoint loads into
    ``mmpretrain.VisionTransformer`` as it is.

    Args:
        arch: See :class:`mmpretrain.models.VisionTransformer`.
        img_size: Side of a square input, in pixels, or height and width.
        patch_size: Side of a patch, in pixels; divides ``img_size``.
        in_channels: Channels of a picture.
        score_layers: ``'all'`` sums the CLS attention over every layer (the
            ccMIM release); an integer k over the first k layers only, and
            nothing behind the k-th row is computed (k = 1: its figure).
        mask_token: Have a learnable token to put in the place of masked
            patches, see :meth:`encode`.
        with_cp: Recompute activations in the backward pass instead of
            storing them (activation checkpointing).
        layer: Config of a layer; a :class:`PartialLayer` or relative of it.
        drop_path_rate: Stochastic depth rate in [0, 1).
        layer_cfgs: Overrides of each layer's arguments.
        patch_cfg: Overrides of the patch embedding's config.
        norm_cfg: Normalisation layer.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the patch does not divide the image or
            ``score_layers`` is out of range.
    """

    def __init__(
        self,
        arch: str | dict = 'b',
        img_size: Size = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        score_layers: Literal['all'] | int = 'all',
        mask_token: bool = False,
        with_cp: bool = False,
        layer: dict = dict(type='PartialLayer'),
        drop_path_rate: float = 0.0,
        layer_cfgs: Sequence[dict] | dict = {},
        patch_cfg: dict = {},
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        pair = as_pair(img_size)
        if any(side % patch_size for side in pair):
            whole = [side // patch_size * patch_size for side in pair]
            raise ValueError(
                f'img_size={as_size(pair)} is not divisible by '
                f'patch_size={patch_size}: set model.backbone.img_size to '
                f'a multiple, e.g. {as_size((whole[0], whole[1]))}'
            )
        settings = arch if isinstance(arch, dict) else self.arch_zoo[arch]
        super().__init__(
            # The layers are made here, of the config's type.
            arch=dict(settings, num_layers=0),
            out_indices=[0],
            img_size=pair,
            patch_size=patch_size,
            patch_cfg=dict(in_channels=in_channels) | patch_cfg,
            norm_cfg=norm_cfg,
            init_cfg=init_cfg,
        )
        self.arch_settings = settings
        self.num_layers = settings['num_layers']
        self.out_indices = [self.num_layers - 1]
        if isinstance(layer_cfgs, dict):
            layer_cfgs = [layer_cfgs] * self.num_layers
        rates = np.linspace(0, drop_path_rate, self.num_layers)
        self.layers = ModuleList(
            MODELS.build(
                layer
                | dict(
                    embed_dims=self.embed_dims,
                    num_heads=settings['num_heads'],
                    feedforward_channels=settings['feedforward_channels'],
                    drop_path_rate=float(rate),
                    norm_cfg=norm_cfg,
                )
                | overrides
            )
            for rate, overrides in zip(rates, layer_cfgs, strict=True)
        )
        depth = self.num_layers if score_layers == 'all' else score_layers
        if not 1 <= depth <= self.num_layers:
            raise ValueError(
                f"score_layers={score_layers} must be 'all' or an integer "
                f'from 1 to {self.num_layers}, the number of layers'
            )
        self.mask_token = None
        if mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        self.img_size: tuple[int, int] = pair
        self.score_layers = depth
        self.with_cp = with_cp

    def init_weights(self) -> None:
        """Initialise as MAE does, unless weights are loaded instead."""
        # Without MAEViT's own: it is for square grids, and would overwrite
        # embeddings that were loaded.
        VisionTransformer.init_weights(self)
        if isinstance(self.init_cfg, dict) and (
            self.init_cfg['type'] == 'Pretrained'
        ):
            return
        table = sincos_table(self.patch_resolution, self.embed_dims)
        self.pos_embed.data.copy_(table)
        nn.init.xavier_uniform_(
            self.patch_embed.projection.weight.data.flatten(1)
        )
        nn.init.normal_(self.cls_token, std=0.02)
        if self.mask_token is not None:
            nn.init.normal_(self.mask_token, std=0.02)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode and return self, which the parent forgets to."""
        super().train(mode)
        return self

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed every patch and add its position.

        Args:
            inputs: Normalised pictures, ``(B, in_channels, H, W)`` of
                ``img_size``.

        Returns:
            ``(B, L, C)``, without the CLS token.

        Raises:
            ValueError: If the pictures have another size or number of
                channels.
        """
        if inputs.shape[-2:] != self.img_size:
            raise ValueError(
                f'got pictures of {in_words(inputs.shape[-2:])} pixels but '
                f'model.backbone.img_size={as_size(self.img_size)}: set the '
                'crop of '
                'the pipeline and img_size to the same number, as --img-size '
                'does in all parts'
            )
        channels = self.patch_embed.projection.in_channels
        if inputs.shape[1] != channels:
            raise ValueError(
                f'got pictures of {inputs.shape[1]} channels but '
                f'model.backbone.in_channels={channels}: --channels '
                f'{inputs.shape[1]} sets it in all parts'
            )
        return self.patch_embed(inputs)[0] + self.pos_embed[:, 1:]

    @torch.no_grad()
    def score(self, tokens: Tensor) -> Tensor:
        """How much the CLS token attends to each patch of the full picture.

        In training, drop path drops branches here too.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.

        Returns:
            ``(B, L)``, fp32, without a graph: head-averaged CLS attention,
            summed over the first ``score_layers`` layers, each in [0, 1].
        """
        *layers, last = self.layers[: self.score_layers]
        x = self._prepend_cls(tokens)
        scores = torch.zeros(tokens.shape[:2], device=tokens.device)
        for layer in layers:
            x, row = layer(x, cls_row=True)
            scores += row
        _, row = last(x, rows=NO_ROWS, cls_row=True)
        # torch before 2.10 hands the weights that autocast has cast here,
        # without a graph, to the next pass, which then trains none of them.
        torch.clear_autocast_cache()
        return scores + row

    def encode(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Encode patches, with the CLS token in front.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.
            keep: Indices of the patches to encode, ``(B, n)``, in ``[0, L)``;
                the others are dropped. None keeps all.
            mask: ``(B, L)``, 1 = masked: the mask token, at the patch's
                position, stands in its place. None masks none.

        Returns:
            ``(B, n + 1, C)`` after the final norm, CLS first.

        Raises:
            ValueError: For a mask without ``mask_token=True``.
        """
        x = self._prepare(tokens, keep, mask)
        return self.norm1(self._run(self.layers, x))

    def encode_cls(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The CLS token of :meth:`encode`, ``(B, C)``, for less."""
        *layers, last = self.layers
        x = self._run(layers, self._prepare(tokens, keep, mask))
        return self.norm1(self._call(last, x, CLS_ROW))[:, 0]

    def forward(
        self, x: Tensor, mask: bool | None = None
    ) -> tuple[Tensor, ...]:
        """Features of the whole picture, or MAE's random masking.

        Args:
            x: Normalised pictures, ``(B, C, H, W)``.
            mask: True masks at random as :class:`mmpretrain.MAEViT` does;
                None or False encodes every patch.

        Returns:
            ``((B, L + 1, C),)`` without a mask, CLS first; with one, the
            parent's ``(latent, mask, ids_restore)``.
        """
        if mask:
            return super().forward(x, mask=True)
        return VisionTransformer.forward(self, x)

    def _prepare(
        self, tokens: Tensor, keep: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """What the first layer sees, ``(B, n + 1, C)``."""
        if mask is not None:
            if self.mask_token is None:
                raise ValueError(
                    'the encoder has no token to put in the place of masked '
                    'patches: set model.backbone.mask_token=True'
                )
            hidden = mask.to(tokens.dtype).unsqueeze(-1)
            token = self.mask_token + self.pos_embed[:, 1:]
            tokens = tokens * (1 - hidden) + token * hidden
        if keep is not None:
            tokens = gather_tokens(tokens, keep)
        return self._prepend_cls(tokens)

    def _run(self, layers: Iterable[nn.Module], x: Tensor) -> Tensor:
        """``(B, N, C)`` through some layers."""
        for layer in layers:
            x = self._call(layer, x)
        return x

    def _call(self, layer: nn.Module, x: Tensor, *rows: slice) -> Tensor:
        if self.with_cp and x.requires_grad:
            return checkpoint(layer, x, *rows, use_reentrant=False)
        return layer(x, *rows)

    def _prepend_cls(self, tokens: Tensor) -> Tensor:
        """``(B, n, C)`` to ``(B, n + 1, C)`` with the positioned CLS."""
        cls_token = self.cls_token + self.pos_embed[:, :1]
        return torch.cat((cls_token.expand(len(tokens), -1, -1), tokens), 1)
