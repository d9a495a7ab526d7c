"""The reconstruction loss on the masked patches."""

from mmpretrain.models import MAEPretrainHead
from mmpretrain.registry import MODELS
from torch import Tensor

from ..task_modules import MaskIndices
from ..utils import gather_tokens


@MODELS.register_module()
class CCMIMPretrainHead(MAEPretrainHead):
    """MAE's head for a decoder that predicts the masked patches alone.

    Another target is a subclass with its own ``construct_target``, which
    maps pictures ``(B, 3, H, W)`` to ``(B, L, D)``. Takes the parent's
    arguments.
    """

    def loss(self, pred: Tensor, inputs: Tensor, ids: MaskIndices) -> Tensor:
        """Compare the prediction with the pictures (a scalar).

        Args:
            pred: ``(B, L - V, p * p * 3)``, in the order of
                ``ids.ids_masked``.
            inputs: Normalised pictures, ``(B, 3, H, W)``.
            ids: Which patches are masked.
        """
        target = self.construct_target(inputs)
        return self.loss_module(pred, gather_tokens(target, ids.ids_masked))
