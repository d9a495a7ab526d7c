"""Regression of a teacher's features."""

from typing import Literal

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..layers import gather_tokens
from ..task_modules import MaskIndices
from ..teachers import FrozenTeacher, Targets


@MODELS.register_module()
class MaskDistillHead(BaseModule):
    """A linear map from masked patches to a teacher's features of them.

    Args:
        in_channels: Width C of the student.
        out_channels: Width D of the teacher's targets.
        loss: ``smooth_l1`` (MaskDistill), ``l1``, ``l2``, or ``cosine``,
            2 - 2 cos.
        beta: Of smooth-L1, where its square ends, > 0. Re-implementations
            disagree (1 or 2); 2 is chosen here, as in Feature Distillation.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the loss is not known.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        loss: Literal['smooth_l1', 'l1', 'l2', 'cosine'] = 'smooth_l1',
        beta: float = 2.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if loss not in ('smooth_l1', 'l1', 'l2', 'cosine'):
            raise ValueError(
                f'model.head.loss={loss!r} is none of smooth_l1, l1, l2, '
                'cosine'
            )
        self.predict = nn.Linear(in_channels, out_channels)
        self.loss_name = loss
        self.beta = beta

    def check_teacher(self, teacher: FrozenTeacher) -> None:
        """Refuse targets of another width.

        Raises:
            ValueError: Naming what to set.
        """
        check_width('out_channels', self.predict.out_features, teacher)

    def loss(
        self, encoded: Tensor, target: Targets, ids: MaskIndices
    ) -> dict[str, Tensor]:
        """Compare predictions of the masked patches with their targets.

        Args:
            encoded: The student's tokens, ``(B, L + 1, C)``, CLS first.
            target: What the teacher says.
            ids: Which patches are masked.

        Returns:
            ``loss_distill``, and for the log alone ``at_zero`` (the loss if
            all predictions were 0: a curve's yardstick), ``target_cos``
            (mean cosine of prediction and target) and ``pred_std`` (the
            predictions' standard deviation over patches and pictures, in
            that of the targets: 0 where all are alike).
        """
        masked = gather_tokens(encoded[:, 1:], ids.ids_masked)
        wanted = gather_tokens(target.patches, ids.ids_masked)
        predicted = self.predict(masked).float()
        loss = self.distance(predicted, wanted)
        with torch.no_grad():
            cosine = F.cosine_similarity(predicted, wanted, dim=-1).mean()
            deviation, scale = (
                part.flatten(0, 1).std(0, correction=0).mean()
                for part in (predicted, wanted)
            )
            at_zero = self.distance(torch.zeros_like(wanted), wanted)
        return dict(
            loss_distill=loss,
            at_zero=at_zero,
            target_cos=cosine,
            pred_std=deviation / scale.clamp(min=1e-6),
        )

    def distance(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        """Mean distance of features ``(..., D)``, in fp32, a scalar."""
        if self.loss_name == 'cosine':
            return 2 - 2 * F.cosine_similarity(predicted, wanted, -1).mean()
        if self.loss_name == 'smooth_l1':
            return F.smooth_l1_loss(predicted, wanted, beta=self.beta)
        if self.loss_name == 'l1':
            return F.l1_loss(predicted, wanted)
        return F.mse_loss(predicted, wanted)


def check_width(name: str, width: int, teacher: FrozenTeacher) -> None:
    """Refuse a head of another width than the teacher's.

    Raises:
        ValueError: Naming what to set.
    """
    if width != teacher.width:
        raise ValueError(
            f'model.head.{name}={width}, and the teacher {teacher.name} has '
            f'{teacher.width} channels: set model.head.{name}={teacher.width}'
        )
