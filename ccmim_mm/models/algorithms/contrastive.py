"""MoCo v3 and SimCLR of mmpretrain, as methods of this project."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmpretrain.models import VisionTransformer
from mmpretrain.models.selfsup import MoCoV3, MoCoV3ViT, SimCLR
from mmpretrain.models.selfsup.simclr import GatherLayer
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...positions import sincos_table
from ..heads.info_nce import spread
from ..layers.partial_layer import cls_attention
from .base import Curve, PretrainMethod


class ContrastiveMethod(PretrainMethod):
    """A method of mmpretrain that contrasts two views of each picture.

    What is trained is mmpretrain's: a subclass names its class as the second
    parent, and takes its arguments. Added is what the rest of the project
    asks a method for, and two values for the log, of the first contrast that
    the step draws: ``contrast_acc``, the share of queries that find the other
    view of their picture, in [0, 1], and ``contrast_std``, the standard
    deviation of the normalised projections over the batch, 1 where they fill
    the sphere and 0 where all are alike.
    """

    views = 2
    spread_value, accuracy_value = 'contrast_std', 'contrast_acc'
    curves = (
        Curve('loss', '', ('loss', 'loss_single', 'loss_dense')),
        Curve(
            'how the contrast does', 'share', ('contrast_acc', 'contrast_std')
        ),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.backbone, MoCoV3ViT):
            # It is fixed; the backbone says so when its weights are drawn,
            # when DDP and the optimizer have looked already.
            self.backbone.pos_embed.requires_grad = False

    def loss(
        self, inputs: list[Tensor], data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's losses, mmpretrain's.

        Args:
            inputs: Two views of each picture, ``(B, C, H, W)`` each.
            data_samples: One a picture; not used.

        Returns:
            mmpretrain's losses, whose sum is the objective, and
            ``contrast_acc`` and ``contrast_std`` for the log.

        Raises:
            ValueError: If there are not two views of a picture, or too few
                pictures.
        """
        self._check_views(inputs)
        with (
            _calls(self.neck) as projections,
            _calls(self.head.loss_module) as contrasts,
        ):
            losses = super().loss(inputs, data_samples)
        _, (queries, *_) = projections[0]
        (logits, labels), _ = contrasts[0]
        return losses | contrast_measures(queries, logits, labels)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Features of whole pictures ``(B, C, H, W)``.

        Returns:
            Of a ViT every token, ``((B, L + 1, C),)``, CLS first; of another
            backbone what it returns.
        """
        vit = self.backbone
        if not isinstance(vit, VisionTransformer):
            return super().extract_feat(inputs)
        # In training it gives the CLS token alone.
        kept, vit.out_type = vit.out_type, 'raw'
        try:
            return vit(inputs)
        finally:
            vit.out_type = kept

    def init_weights(self) -> None:
        """Initialise as the parents do, in raster order.

        Of a grid that is not square mmpretrain's MoCo v3 has the positions
        column by column.
        """
        super().init_weights()
        vit = self.backbone
        if isinstance(vit, MoCoV3ViT):
            rows, columns = vit.patch_resolution
            if rows != columns:
                table = sincos_table((rows, columns), vit.embed_dims)
                vit.pos_embed.data.copy_(table)

    @torch.no_grad()
    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """Features, and of a ViT the last layer's CLS attention before."""
        if not isinstance(self.backbone, VisionTransformer):
            return super().panel(inputs, seed)
        attn = self.backbone.layers[-1].attn
        with _calls(attn) as calls:
            features = super().panel(inputs, seed)
        (normed, *_), _ = calls[0]
        return dict(attention=cls_attention(attn, normed)) | features

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch in which a picture has none to differ from."""
        if batch_size < 2:
            raise ValueError(
                f'{type(self).__name__} contrasts the pictures of a batch, '
                'and its BatchNorm needs more than one of them per process: '
                'set train_dataloader.batch_size to 2 or more'
            )

    def _check_views(self, inputs: Any) -> None:
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(
                f'{type(self).__name__} needs two views of each picture: have '
                "dict(type='MultiView', num_views=2, transforms=[...]) before "
                'the packing in the training pipeline, and default_collate'
            )
        self.check_batch(len(inputs[0]))


@MODELS.register_module()
class MoCoV3Method(ContrastiveMethod, MoCoV3):
    """MoCo v3 (arXiv 2104.02057), mmpretrain's, see the parents.

    The key encoder moves in every forward pass, so gradients are not
    accumulated. In a new run from a checkpoint of this method it starts as a
    copy of the encoder: it counts its steps, and its momentum would go on
    from where the other run's had ended.
    """

    may_be_new = ('neck.', 'head.', 'momentum_encoder.')
    starts_anew = ('momentum_encoder.',)
    may_accumulate = False


@MODELS.register_module()
class SimCLRMethod(ContrastiveMethod, SimCLR):
    """SimCLR (arXiv 2002.05709) with mmpretrain's parts, see the parents.

    The loss is mmpretrain's too, of logits that stay on the device; its
    gradient over several processes is that of one with all pictures, where
    mmpretrain's is a fraction: each process has the whole loss and only its
    own pictures' gradient, and DDP takes the mean.
    """

    def num_keys(self, pictures: int) -> int:
        """Every other view of the step."""
        return 2 * pictures - 1

    def loss(
        self, inputs: list[Tensor], data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's loss (equation 1 of the paper), see the parent.

        Returns:
            ``loss`` and the parent's ``contrast_acc`` and ``contrast_std``.
        """
        self._check_views(inputs)
        # The views of a picture are neighbours, here and over all processes.
        views = torch.stack(inputs, 1).flatten(0, 1)
        own = F.normalize(self.neck(self.backbone(views))[0], dim=1)
        z = torch.cat(GatherLayer.apply(own))
        partner = torch.arange(len(z), device=z.device) ^ 1
        logits = z @ z.T / self.head.temperature
        logits.fill_diagonal_(-torch.inf)
        loss = self.head.loss_module(logits, partner)
        # The value as it is, the gradient as often as DDP divides it.
        loss = loss + (get_world_size() - 1) * (loss - loss.detach())
        return dict(loss=loss, **contrast_measures(own, logits, partner))


@torch.no_grad()
def contrast_measures(
    projections: Tensor, logits: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """What a contrast says of itself, see :class:`ContrastiveMethod`.

    Args:
        projections: ``(B, D)``, of any length.
        logits: ``(B, N)``, of the keys for each query.
        labels: ``(B,)``, which key is of the same picture, in ``[0, N)``.
    """
    return dict(
        contrast_acc=(logits.argmax(1) == labels).float().mean(),
        contrast_std=spread(F.normalize(projections.float(), dim=1)),
    )


@contextmanager
def _calls(module: nn.Module) -> Iterator[list[tuple[Any, Any]]]:
    """Arguments and output of each of a module's calls, meanwhile."""
    found: list[tuple[Any, Any]] = []
    handle = module.register_forward_hook(
        lambda _, args, output: found.append((args, output))
    )
    try:
        yield found
    finally:
        handle.remove()
