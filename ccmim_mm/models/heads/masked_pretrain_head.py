"""The reconstruction loss on the masked patches."""

import math

import torch
from mmpretrain.models import MAEPretrainHead
from mmpretrain.registry import MODELS
from torch import Tensor

from ...grids import Size, as_pair
from ..layers import gather_tokens
from ..task_modules import MaskIndices


@MODELS.register_module()
class MaskedPretrainHead(MAEPretrainHead):
    """MAE's head for a decoder that predicts the masked patches alone.

    Another target is a subclass with its own ``construct_target``, which
    maps pictures ``(B, C, H, W)`` to ``(B, L, D)``, and with its own
    :meth:`to_pictures`. Takes the parent's arguments; ``in_channels`` is C.
    """

    def loss(self, pred: Tensor, inputs: Tensor, ids: MaskIndices) -> Tensor:
        """Compare the prediction with the pictures (a scalar).

        Args:
            pred: ``(B, L - V, D)``, in the order of ``ids.ids_masked``.
            inputs: Normalised pictures, ``(B, C, H, W)``.
            ids: Which patches are masked.
        """
        target = self.construct_target(inputs)
        return self.loss_module(pred, gather_tokens(target, ids.ids_masked))

    def to_pictures(self, pred: Tensor, inputs: Tensor) -> Tensor | None:
        """Predictions as pictures; None if they are none.

        Args:
            pred: Of every patch, ``(B, L, D)``. With ``norm_pix`` each gets
                the mean and the spread of the patch that it predicts.
            inputs: Normalised pictures, ``(B, C, H, W)``.

        Returns:
            ``(B, C, H, W)``, in the range of ``inputs``.
        """
        if pred.shape[-1] != self.in_channels * self.patch_size**2:
            return None
        pred = pred.float()
        if self.norm_pix:
            patches = self.patchify(inputs)
            var, mean = torch.var_mean(patches, dim=-1, keepdim=True)
            pred = pred * (var + 1e-6).sqrt() + mean
        return self.unpatchify(pred, inputs.shape[-2:])

    def patchify(self, imgs: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, L, p * p * C)``, of any two sides."""
        p = self.patch_size
        parts = imgs.unflatten(3, (-1, p)).unflatten(2, (-1, p))
        return torch.einsum('nchpwq->nhwpqc', parts).flatten(3).flatten(1, 2)

    def unpatchify(self, x: Tensor, size: Size | None = None) -> Tensor:
        """The way back.

        Args:
            x: ``(B, L, p * p * C)``.
            size: Height and width of the pictures; None is a square.
        """
        p = self.patch_size
        if size is None:
            size = p * math.isqrt(x.shape[1])
        rows, columns = (side // p for side in as_pair(size))
        parts = x.unflatten(2, (p, p, -1)).unflatten(1, (rows, columns))
        return torch.einsum('nhwpqc->nchpwq', parts).flatten(4).flatten(2, 3)
