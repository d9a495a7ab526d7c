"""The encoder of ccMIM: a plain ViT with its steps laid open."""

from collections.abc import Iterable, Sequence
from typing import Literal, Self

import torch
from mmpretrain.models import MAEViT, VisionTransformer
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..utils import (
    cls_attention,
    gather_tokens,
    layer_at,
    layer_with_cls_row,
)


@MODELS.register_module()
class CCMIMViT(MAEViT):
    """ViT that embeds, scores and encodes a chosen set of patches.

    The three steps are separate methods, so that the algorithm decides
    which patches are encoded, how often, and with or without a graph.
    Parameters carry mmpretrain's names and a checkpoint loads into
    ``mmpretrain.VisionTransformer`` as it is.

    Args:
        score_layers: ``'all'`` sums the CLS attention over every layer (the
            release); an integer k over the first k layers only, and nothing
            behind the k-th row is computed (k = 1: the paper's figure).
        with_cp: Recompute activations in the backward pass instead of
            storing them (activation checkpointing).
        arch: See :class:`mmpretrain.models.VisionTransformer`.
        img_size: Side of the (square) input, in pixels.
        patch_size: Side of a patch, in pixels; divides ``img_size``.
        drop_path_rate: Stochastic depth rate in [0, 1).
        layer_cfgs: Overrides of each layer's config.
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
        img_size: int = 224,
        patch_size: int = 16,
        score_layers: Literal['all'] | int = 'all',
        with_cp: bool = False,
        drop_path_rate: float = 0.0,
        layer_cfgs: Sequence[dict] | dict = {},
        patch_cfg: dict = {},
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if img_size % patch_size:
            raise ValueError(
                f'img_size={img_size} is not divisible by '
                f'patch_size={patch_size}: set model.backbone.img_size to '
                f'a multiple, e.g. {img_size // patch_size * patch_size}'
            )
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            drop_path_rate=drop_path_rate,
            layer_cfgs=layer_cfgs,
            patch_cfg=patch_cfg,
            norm_cfg=norm_cfg,
            # -1 as a list of our own: the parent resolves it in place.
            out_indices=[-1],
            init_cfg=init_cfg,
        )
        depth = self.num_layers if score_layers == 'all' else score_layers
        if not 1 <= depth <= self.num_layers:
            raise ValueError(
                f"score_layers={score_layers} must be 'all' or an integer "
                f'from 1 to {self.num_layers}, the number of layers'
            )
        self.img_size = img_size
        self.score_layers = depth
        self.with_cp = with_cp
        self._layer_with_cls_row = layer_with_cls_row

    def init_weights(self) -> None:
        """Initialise as MAE does, unless weights are loaded instead."""
        if isinstance(self.init_cfg, dict) and (
            self.init_cfg['type'] == 'Pretrained'
        ):
            # MAEViT would overwrite the loaded embeddings (and does so).
            VisionTransformer.init_weights(self)
        else:
            super().init_weights()

    def train(self, mode: bool = True) -> Self:
        """Switch the mode and return self, which the parent forgets to."""
        super().train(mode)
        return self

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed every patch and add its position.

        Args:
            inputs: Normalised pictures, ``(B, 3, img_size, img_size)``.

        Returns:
            ``(B, L, C)``, without the CLS token.

        Raises:
            ValueError: If the pictures have another size.
        """
        if inputs.shape[-2:] != (self.img_size, self.img_size):
            raise ValueError(
                f'got pictures of {tuple(inputs.shape[-2:])} pixels but '
                f'model.backbone.img_size={self.img_size}: set the crop of '
                'the pipeline and img_size to the same number'
            )
        return self.patch_embed(inputs)[0] + self.pos_embed[:, 1:]

    @torch.no_grad()
    def score(self, tokens: Tensor) -> Tensor:
        """How much the CLS token attends to each patch of the full picture.

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
            x, row = self._layer_with_cls_row(layer, x)
            scores += row
        return scores + cls_attention(last.attn, last.ln1(x))

    def encode(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """Encode the patches at ``ids``, with the CLS token in front.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.
            ids: ``(B, n)``, in ``[0, L)``.

        Returns:
            ``(B, n + 1, C)`` after the final norm, CLS first.
        """
        x = self._prepend_cls(gather_tokens(tokens, ids))
        return self.norm1(self._run(self.layers, x))

    def encode_cls(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """The CLS token of :meth:`encode`, ``(B, C)``, for less.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.
            ids: ``(B, n)``, in ``[0, L)``.
        """
        *layers, last = self.layers
        x = self._prepend_cls(gather_tokens(tokens, ids))
        x = layer_at(last, self._run(layers, x), slice(0, 1))
        return self.norm1(x)[:, 0]

    def forward(
        self, x: Tensor, mask: bool | None = None
    ) -> tuple[Tensor, ...]:
        """Features of the whole picture, or MAE's random masking.

        Args:
            x: Normalised pictures, ``(B, 3, H, W)``.
            mask: True masks at random as :class:`mmpretrain.MAEViT` does;
                None or False encodes every patch.

        Returns:
            ``((B, L + 1, C),)`` without a mask, CLS first; with one, the
            parent's ``(latent, mask, ids_restore)``.
        """
        if mask:
            return super().forward(x, mask=True)
        return VisionTransformer.forward(self, x)

    def compile_layers(self, backend: str = 'inductor') -> None:
        """Compile the layers for the input size, in the score pass too."""
        for layer in self.layers:
            layer.compile(backend=backend, dynamic=False)
        self._layer_with_cls_row = torch.compile(
            layer_with_cls_row, backend=backend, dynamic=False
        )

    def _run(self, layers: Iterable[nn.Module], x: Tensor) -> Tensor:
        """``(B, N, C)`` through some layers."""
        for layer in layers:
            if self.with_cp and x.requires_grad:
                x = checkpoint(layer, x, use_reentrant=False)
            else:
                x = layer(x)
        return x

    def _prepend_cls(self, tokens: Tensor) -> Tensor:
        """``(B, n, C)`` to ``(B, n + 1, C)`` with the positioned CLS."""
        cls_token = self.cls_token + self.pos_embed[:, :1]
        return torch.cat((cls_token.expand(len(tokens), -1, -1), tokens), 1)
