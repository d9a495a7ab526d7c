"""Alignment of the visible and the masked view of one picture."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .info_nce import info_nce, spread


@MODELS.register_module()
class CCMIMAlignHead(BaseModule):
    """InfoNCE from the visible CLS token to the masked one.

    One projector serves both branches and there is no predictor. The loss
    has one direction, visible to masked, and the masked side is gathered over
    all ranks. As released it receives no gradient; if what is passed in has
    a graph, the own rank's part does, and the other ranks' still does not.

    Args:
        projector: Config of the projector, a neck that maps ``((B, C),)``
            to ``((B, D),)``. With BatchNorm it normalises over the rank's
            own batch, once per branch.
        temperature: Softmax temperature T, > 0.
        loss_weight: Weight of the loss in the total, >= 0.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the temperature or the weight is out of range.
    """

    def __init__(
        self,
        projector: dict,
        temperature: float = 0.5,
        loss_weight: float = 0.1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if temperature <= 0 or loss_weight < 0:
            raise ValueError(
                f'align_head needs temperature > 0 and loss_weight >= 0, got '
                f'{temperature} and {loss_weight}'
            )
        self.projector = MODELS.build(projector)
        self.temperature = temperature
        self.loss_weight = loss_weight

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch that BatchNorm cannot normalise.

        Args:
            batch_size: Pictures per process.

        Raises:
            ValueError: For a batch of one with BatchNorm in the projector.
        """
        if batch_size == 1 and any(
            isinstance(module, nn.modules.batchnorm._BatchNorm)
            for module in self.projector.modules()
        ):
            raise ValueError(
                "the projector's BatchNorm needs at least 2 pictures per "
                'process: set train_dataloader.batch_size to 2 or more'
            )

    def project(self, cls_token: Tensor) -> Tensor:
        """Project ``(B, C)`` onto the unit sphere: ``(B, D)``, fp32."""
        return F.normalize(self.projector((cls_token,))[0].float(), dim=1)

    def loss(
        self, visible_cls: Tensor, masked_cls: Tensor
    ) -> dict[str, Tensor]:
        """Compute the alignment loss.

        Args:
            visible_cls: CLS tokens of the visible patches, ``(B, C)``.
            masked_cls: CLS tokens of the masked patches, ``(B, C)``, of the
                same pictures in the same order.

        Returns:
            ``loss_align``, weighted, ``loss_weight * 2T * CE``, and for the
            log alone ``align_ce`` (nats, ``log(W * B)`` at chance),
            ``align_acc`` (share of own pictures found, [0, 1]) and
            ``align_std`` (the projections' standard deviation over the
            batch, 1 where they fill the sphere, 0 where all are alike).

        Raises:
            ValueError: For a batch of one with BatchNorm in the projector.
        """
        if self.training:
            self.check_batch(len(visible_cls))
        queries = self.project(visible_cls)
        with nullcontext() if masked_cls.requires_grad else torch.no_grad():
            keys = self.project(masked_cls)
        contrast = info_nce(queries, keys, self.temperature)
        return dict(
            loss_align=self.loss_weight * 2 * self.temperature * contrast.ce,
            align_ce=contrast.ce.detach(),
            align_acc=contrast.accuracy,
            align_std=spread(queries),
        )
