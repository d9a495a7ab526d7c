"""Contrast with a teacher's features, of patches and of pictures."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..layers import gather_tokens
from ..task_modules import MaskIndices
from ..teachers import FrozenTeacher, Targets
from .info_nce import info_nce, spread
from .mask_distill_head import check_width


@MODELS.register_module()
class MimCoHead(BaseModule):
    """MimCo's two losses: which patch is it, and which picture?

    A linear map each from the student's tokens to the teacher's. No code of
    the authors exists; all values and what is negative are chosen here.

    Args:
        in_channels: Width C of the student.
        out_channels: Width D of the teacher's targets.
        patch_temperature: T of the patches' contrast, > 0; ConMIM's.
        image_temperature: Of the pictures', > 0; MoCo v3's.
        patch_weight: Weight of the patches' loss, >= 0. 0 leaves it out.
        image_weight: Weight of the pictures' loss, likewise.
        patch_negatives: ``image``: all patches of the same picture, as in
            ConMIM; ``batch``: the masked patches of the process's pictures.
        patch_loss: ``contrast``, or ``l1``: the ablation by regression.
        center: Take the mean over a picture's patches off their targets, so
            that what they have in common eats no norm. Like the patches'
            temperature and negatives of the contrast alone: ``l1`` has the
            targets as they are.
        init_cfg: Initialisation config.

    Raises:
        ValueError: For values out of range.
    """

    #: Of patches, and of pictures; None without the loss.
    predict: Any
    predict_image: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        patch_temperature: float = 0.1,
        image_temperature: float = 0.2,
        patch_weight: float = 1.0,
        image_weight: float = 1.0,
        patch_negatives: Literal['image', 'batch'] = 'image',
        patch_loss: Literal['contrast', 'l1'] = 'contrast',
        center: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        weights = patch_weight, image_weight
        temperatures = patch_temperature, image_temperature
        if min(temperatures) <= 0 or min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                'model.head needs temperatures > 0 and weights >= 0, not '
                f'both 0, got {temperatures} and {weights}'
            )
        for name, value, known in (
            ('patch_negatives', patch_negatives, ('image', 'batch')),
            ('patch_loss', patch_loss, ('contrast', 'l1')),
        ):
            if value not in known:
                raise ValueError(
                    f'model.head.{name}={value!r} is none of '
                    f'{", ".join(known)}'
                )
        # A map without a loss would have no gradient, which DDP waits for.
        self.predict, self.predict_image = (
            nn.Linear(in_channels, out_channels) if weight else None
            for weight in weights
        )
        self.out_channels = out_channels
        self.patch_temperature = patch_temperature
        self.image_temperature = image_temperature
        self.patch_weight = patch_weight
        self.image_weight = image_weight
        self.patch_negatives = patch_negatives
        self.patch_loss = patch_loss
        self.center = center

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch without another picture.

        Args:
            batch_size: Pictures per process.

        Raises:
            ValueError: For one picture in all.
        """
        if self.image_weight and batch_size * get_world_size() < 2:
            raise ValueError(
                'the contrast of pictures needs at least 2 of them: set '
                'train_dataloader.batch_size to 2 or more'
            )

    def check_teacher(self, teacher: FrozenTeacher) -> None:
        """Refuse a teacher that does not fit.

        Raises:
            ValueError: For targets of another width, or none of a picture as
                a whole.
        """
        check_width('out_channels', self.out_channels, teacher)
        if self.image_weight and not teacher.has_image:
            raise ValueError(
                f'{teacher.name} says nothing of a picture as a whole: set '
                'model.head.image_weight=0'
            )

    def loss(
        self, encoded: Tensor, target: Targets, ids: MaskIndices
    ) -> dict[str, Tensor]:
        """Both losses.

        Args:
            encoded: The student's tokens, ``(B, L + 1, C)``, CLS first.
            target: What the teacher says.
            ids: Which patches are masked.

        Returns:
            ``loss_patch`` and ``loss_image``, weighted, each as far as its
            weight is not 0; their sum is the objective. For the log see
            :meth:`of_patches` and :meth:`of_pictures`.
        """
        losses: dict[str, Tensor] = {}
        if self.predict is not None:
            masked = gather_tokens(encoded[:, 1:], ids.ids_masked)
            losses |= self.of_patches(masked, target.patches, ids.ids_masked)
        if self.predict_image is not None:
            losses |= self.of_pictures(encoded[:, 0], target.image)
        return losses

    def of_patches(
        self, masked: Tensor, target: Tensor, ids: Tensor
    ) -> dict[str, Tensor]:
        """Find each masked patch among the teacher's.

        Args:
            masked: The student's masked patches, ``(B, n, C)``.
            target: The teacher's, of all patches, ``(B, L, D)``.
            ids: Places of the masked ones, ``(B, n)``.

        Returns:
            ``loss_patch``, ``w * 2T * CE`` or the mean distance, and for the
            log ``patch_ce`` (nats, at chance ``log`` of the keys),
            ``patch_acc`` (share found), ``patch_acc_other`` (among the keys
            of another picture of the process: what the place alone tells;
            not with a single one, B = 1) and ``key_cos`` (mean cosine of two
            patches of one picture, uncentred).
        """
        predicted = self.predict(masked).float()
        if self.patch_loss == 'l1':
            wanted = gather_tokens(target, ids)
            return dict(
                loss_patch=self.patch_weight * F.l1_loss(predicted, wanted),
                key_cos=mean_cosine(target),
            )
        keys = target - target.mean(1, True) if self.center else target
        keys = F.normalize(keys, dim=-1)
        queries = F.normalize(predicted, dim=-1)
        labels = ids
        others = keys.roll(1, 0)
        another = len(keys) > 1
        if self.patch_negatives == 'batch':
            keys = gather_tokens(keys, ids).flatten(0, 1)[None]
            queries = queries.flatten(0, 1)[None]
            labels = torch.arange(queries.shape[1], device=ids.device)[None]
        with torch.autocast(queries.device.type, enabled=False):
            logits = queries @ keys.mT / self.patch_temperature
            ce = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
            with torch.no_grad():
                found = logits.argmax(-1) == labels
                queries = queries.view(*ids.shape, -1)
                elsewhere = (queries @ others.mT).argmax(-1) == ids
        losses = dict(
            loss_patch=self.patch_weight * 2 * self.patch_temperature * ce,
            patch_ce=ce.detach(),
            patch_acc=found.float().mean(),
            key_cos=mean_cosine(target),
        )
        # Of a single picture they would be its own.
        if another:
            losses['patch_acc_other'] = elsewhere.float().mean()
        return losses

    def of_pictures(self, cls: Tensor, target: Any) -> dict[str, Tensor]:
        """Find each picture among those of all processes.

        Args:
            cls: The student's CLS tokens, ``(B, C)``.
            target: The teacher's vectors of the same pictures, ``(B, D)``.

        Returns:
            ``loss_image``, ``w * 2T * CE``, and for the log ``image_ce``
            (nats, ``log(W * B)`` at chance), ``image_acc`` (share found) and
            ``image_std`` (1 where the predictions fill the sphere, 0 where
            all are alike).
        """
        queries = F.normalize(self.predict_image(cls).float(), dim=-1)
        keys = F.normalize(target, dim=-1)
        contrast = info_nce(queries, keys, self.image_temperature)
        scale = self.image_weight * 2 * self.image_temperature
        return dict(
            loss_image=scale * contrast.ce,
            image_ce=contrast.ce.detach(),
            image_acc=contrast.accuracy,
            image_std=spread(queries),
        )


def mean_cosine(features: Tensor) -> Tensor:
    """Mean cosine of two different patches of a picture, a scalar.

    Args:
        features: ``(B, L, D)``, L > 1.
    """
    count = features.shape[1]
    total = F.normalize(features, dim=-1).sum(1).square().sum(-1)
    return ((total - count) / (count * (count - 1))).mean()
