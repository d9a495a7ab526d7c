"""MaskDistill: a teacher's features of what is hidden."""

from mmpretrain.registry import MODELS

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
    all other configs here, are chosen here. The step is the parent's, the
    comparison :class:`MaskDistillHead`'s. Takes the parent's arguments.
    """

    spread_value = 'pred_std'
    curves = (
        Curve('distillation', 'loss', ('loss_distill', 'at_zero')),
        Curve('prediction and target', 'cosine', ('target_cos',)),
    )
