"""MaskDistill: a teacher's features of what is hidden."""

from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from .base import Curve
from .teacher_method import TeacherMethod


@MODELS.register_module()
class MaskDistill(TeacherMethod):
    """Masked image modelling as masked knowledge distillation.

    "A Unified View of Masked Image Modeling" (TMLR 2023): the student sees a
    picture with tokens in the place of masked patches and predicts, by one
    linear map, a frozen teacher's normalised features of them,

        y_i = LN(T(x))_i,   L = mean over masked i of smooth-L1(H(S(x_m))_i,
        y_i),

    LN without affine. The authors' code was never released: the equation and
    40 % block masks are published (``BlockMaskNoise`` in the pipeline); plain
    absolute positions without layer scale, so that the encoder is the one of
    all other configs here, are chosen here. Takes the parent's arguments.
    """

    spread_value = 'pred_std'
    curves = (
        Curve('distillation', 'loss', ('loss_distill', 'at_zero')),
        Curve('prediction and target', 'cosine', ('target_cos',)),
    )

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's loss.

        Args:
            inputs: Normalised pictures, ``(B, 3, H, W)``.
            data_samples: One a picture; a ``mask_noise`` field ``(L,)`` in
                them, in [0, 1), replaces the noise drawn here.

        Returns:
            See :meth:`MaskDistillHead.loss`.
        """
        ids = self.masks(inputs, data_samples)
        target = self.teacher(inputs)
        tokens = self.backbone.embed(inputs)
        encoded = self.backbone.encode(tokens, mask=ids.mask)
        return self.head.loss(encoded, target, ids)
