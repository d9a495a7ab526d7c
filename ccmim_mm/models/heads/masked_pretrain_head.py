"""The reconstruction loss on the masked patches."""

import torch
from mmpretrain.models import MAEPretrainHead
from mmpretrain.registry import MODELS
from torch import Tensor

from ..layers import gather_tokens
from ..task_modules import MaskIndices


@MODELS.register_module()
class MaskedPretrainHead(MAEPretrainHead):
    """MAE's head for a decoder that predicts the masked patches alone.

    Another target is a subclass with its own ``construct_target``, which
    maps pictures ``(B, 3, H, W)`` to ``(B, L, D)``, and with its own
    :meth:`to_pictures`. Takes the parent's arguments.
    """

    def loss(self, pred: Tensor, inputs: Tensor, ids: MaskIndices) -> Tensor:
        """Compare the prediction with the pictures (a scalar).

        Args:
            pred: ``(B, L - V, D)``, in the order of ``ids.ids_masked``.
            inputs: Normalised pictures, ``(B, 3, H, W)``.
            ids: Which patches are masked.
        """
        target = self.construct_target(inputs)
        return self.loss_module(pred, gather_tokens(target, ids.ids_masked))

    def to_pictures(self, pred: Tensor, inputs: Tensor) -> Tensor | None:
        """Predictions as pictures; None if they are none.

        Args:
            pred: Of every patch, ``(B, L, D)``. With ``norm_pix`` each gets
                the mean and the spread of the patch that it predicts.
            inputs: Normalised pictures, ``(B, 3, H, W)``.

        Returns:
            ``(B, 3, H, W)``, in the range of ``inputs``.
        """
        if pred.shape[-1] != 3 * self.patch_size**2:
            return None
        pred = pred.float()
        if self.norm_pix:
            patches = self.patchify(inputs)
            var, mean = torch.var_mean(patches, dim=-1, keepdim=True)
            pred = pred * (var + 1e-6).sqrt() + mean
        return self.unpatchify(pred)
