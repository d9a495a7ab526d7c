"""MAE's decoder, computing nothing but the masked patches."""

import torch
from mmpretrain.models import MAEPretrainDecoder
from mmpretrain.registry import MODELS
from torch import Tensor

from ..task_modules import MaskIndices
from ..utils import gather_tokens, layer_at


@MODELS.register_module()
class CCMIMPretrainDecoder(MAEPretrainDecoder):
    """MAE's decoder for a loss on the masked patches alone.

    The same parameters and the same function as the parent. Attention does
    not care for the order of its tokens, so the masked ones simply stay
    behind the visible ones, and the last layer and the prediction run on
    them alone. Takes the parent's arguments.
    """

    def forward(self, x: Tensor, ids: MaskIndices) -> Tensor:
        """Predict the masked patches.

        Args:
            x: Encoded visible patches, ``(B, V + 1, C)``, CLS first.
            ids: Which patches of the picture they are.

        Returns:
            ``(B, L - V, p * p * 3)``, in the order of ``ids.ids_masked``.
        """
        x = self.decoder_embed(x)
        first, rest = self.decoder_pos_embed.split([1, self.num_patches], 1)
        rest = rest.expand(len(x), -1, -1)
        masked = self.mask_token + gather_tokens(rest, ids.ids_masked)
        visible = x[:, 1:] + gather_tokens(rest, ids.ids_visible)
        x = torch.cat((x[:, :1] + first, visible, masked), dim=1)
        *blocks, last = self.decoder_blocks
        for block in blocks:
            x = block(x)
        x = layer_at(last, x, slice(1 + visible.shape[1], None))
        return self.decoder_pred(self.decoder_norm(x))

    def predict_all(self, x: Tensor, ids_restore: Tensor) -> Tensor:
        """Predict every patch, the visible ones too, for a picture.

        Args:
            x: Encoded visible patches, ``(B, V + 1, C)``, CLS first.
            ids_restore: ``(B, L)``.

        Returns:
            ``(B, L, p * p * 3)`` in raster order.
        """
        return super().forward(x, ids_restore)
