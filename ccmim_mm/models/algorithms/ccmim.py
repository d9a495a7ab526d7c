"""ccMIM: contextual image masking modelling (ICLR 2023)."""

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from ..task_modules import (
    build_mask_sampler,
    sample_masked,
    top_masked_share,
)


class Reconstruction(NamedTuple):
    """What the model hides, attends to and predicts, for pictures to see.

    Attributes:
        scores: ``(B, L)`` attention scores of the patches.
        mask: ``(B, L)``, 1 = masked.
        images: ``(B, 3, H, W)`` predicted pictures in the range of the
            normalised input; every patch, visible ones included.
    """

    scores: Tensor
    mask: Tensor
    images: Tensor


@MODELS.register_module()
class CCMIM(BaseSelfSupervisor):
    """Masked image modelling with attention-chosen masks and alignment.

    Implements "Contextual Image Masking Modeling via Synergized Contrasting
    without View Augmentation for Faster and Better Visual Pretraining"
    (ICLR 2023), by the authors' release: the encoder's own CLS attention
    chooses what to hide, and the CLS token of the visible patches is aligned
    with that of the hidden ones.

    Args:
        backbone: The encoder, a :class:`CCMIMViT`.
        neck: The decoder, a :class:`CCMIMPretrainDecoder`.
        head: The reconstruction head, a :class:`CCMIMPretrainHead`.
        mask_sampler: Chooses the masked patches; see ``mask_samplers``.
        align_head: The alignment head. None trains without contrast, and
            with ``RandomMaskSampler`` that is MAE.
        align_patches: How many of the masked patches, drawn at random, the
            masked branch reads. None is all of them, as released; fewer
            are an approximation that saves time.
        masked_grad: Let the alignment's gradient into the masked branch
            too, of the keys of the own rank alone; the release does not,
            and so needs no graph there.
        data_preprocessor: Normalises pictures on the device.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If encoder, decoder and head disagree on the patches, or
            the mask ratio leaves no patch visible, or fewer masked than
            ``align_patches``.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        mask_sampler: dict = dict(type='AdditiveNoiseMaskSampler'),
        align_head: dict | None = None,
        align_patches: int | None = None,
        masked_grad: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.mask_sampler = build_mask_sampler(mask_sampler)
        self.align_head = None
        if align_head is not None:
            self.align_head = MODELS.build(align_head)
        self.align_patches = align_patches
        self.masked_grad = masked_grad
        self.num_patches = self.backbone.num_patches
        self._check_parts()

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor]:
        """Features of whole pictures ``(B, 3, H, W)``: ``((B, L+1, C),)``."""
        return self.backbone(inputs)

    def loss(
        self, inputs: Tensor | list[Tensor], data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's losses (section 3 of the paper, as released).

        Args:
            inputs: Normalised pictures, ``(B, 3, H, W)``; or several crops
                of each picture, a list of such tensors, which an alignment
                never tells apart as different pictures.
            data_samples: One a picture; a ``mask_noise`` field ``(L,)`` in
                them, uniform in [0, 1), replaces the noise drawn here.

        Returns:
            ``loss_rec`` and ``loss_align``, weighted: their sum is the
            objective; ``align_ce``, ``align_acc``, ``align_std`` and
            ``top_masked`` (see :func:`top_masked_share`) for the log.
        """
        inputs, num_views = self.stack_views(inputs)
        noise = self.mask_noise(inputs, data_samples)
        losses = {}

        # 1. Embed. 2. Score with the current encoder. 3. Select.
        tokens = self.backbone.embed(inputs)
        scores = None
        if self.mask_sampler.needs_scores:
            scores = self.backbone.score(tokens)
        ids = self.mask_sampler(scores, noise)
        if scores is not None:
            losses['top_masked'] = top_masked_share(scores, ids.mask)

        # 4. Encode both halves with the same weights. 5. Reconstruct.
        visible = self.backbone.encode(tokens, ids.ids_visible)
        pred = self.neck(visible, ids)
        losses['loss_rec'] = self.head.loss(pred, inputs, ids)

        # 6. Align; as released the masked half has no gradient, so no graph.
        if self.align_head is not None:
            ids_masked = sample_masked(ids, noise, self.align_patches)
            with nullcontext() if self.masked_grad else torch.no_grad():
                masked_cls = self.backbone.encode_cls(tokens, ids_masked)
            losses |= self.align_head.loss(
                visible[:, 0], masked_cls, num_views
            )
        return losses

    @torch.no_grad()
    def reconstruct(self, inputs: Tensor, noise: Tensor) -> Reconstruction:
        """Mask pictures and predict them back, for a person to look at.

        Args:
            inputs: Normalised pictures, ``(B, 3, H, W)``.
            noise: ``(B, L)`` uniform noise in [0, 1) for the mask.
        """
        tokens = self.backbone.embed(inputs)
        scores = self.backbone.score(tokens)
        ids = self.mask_sampler(scores, noise)
        visible = self.backbone.encode(tokens, ids.ids_visible)
        pred = self.neck.predict_all(visible, ids.ids_restore).float()
        if self.head.norm_pix:
            patches = self.head.patchify(inputs)
            var, mean = torch.var_mean(patches, dim=-1, keepdim=True)
            pred = pred * (var + 1e-6).sqrt() + mean
        return Reconstruction(scores, ids.mask, self.head.unpatchify(pred))

    def compile_layers(self, backend: str = 'inductor') -> None:
        """Compile every transformer layer, of encoder and decoder.

        Args:
            backend: ``torch.compile``'s backend.
        """
        self.backbone.compile_layers(backend)
        for layer in self.neck.decoder_blocks:
            layer.compile(backend=backend, dynamic=False)

    @staticmethod
    def stack_views(inputs: Tensor | list[Tensor]) -> tuple[Tensor, int]:
        """One batch ``(V * P, 3, H, W)`` of V crops of each of P pictures.

        Args:
            inputs: ``(P, 3, H, W)``, or V of them.

        Raises:
            TypeError: If the pictures were collated into a list.
        """
        if isinstance(inputs, Tensor):
            return inputs, 1
        if inputs[0].ndim != 4:
            raise TypeError(
                'got the pictures as a list, expected one tensor: set '
                "train_dataloader.collate_fn=dict(type='default_collate')"
            )
        return torch.cat(inputs), len(inputs)

    def mask_noise(
        self, inputs: Tensor, data_samples: list[DataSample] | None
    ) -> Tensor:
        """The noise that the masks are drawn from.

        Args:
            inputs: Normalised pictures, ``(B, 3, H, W)``; of several crops
                each, first all first crops, then all second ones.
            data_samples: One a picture, with or without a ``mask_noise``
                field ``(L,)``, of V crops ``(V, L)``.

        Returns:
            ``(B, L)`` in [0, 1): carried by the pictures, or drawn here.

        Raises:
            ValueError: If the noise is not of length L.
        """
        shape = (len(inputs), self.num_patches)
        carried = [
            s.mask_noise for s in data_samples or () if 'mask_noise' in s
        ]
        if not carried:
            return torch.rand(shape, device=inputs.device)
        noise = torch.from_numpy(np.stack(carried, axis=-2))
        noise = noise.reshape(-1, noise.shape[-1])
        if noise.shape != shape:
            raise ValueError(
                f'the pictures carry mask noise of shape '
                f'{tuple(noise.shape)} but the model needs {shape}: set '
                f'num_patches={shape[1]} in the PackCCMIMInputs of the '
                'training pipeline'
            )
        if inputs.is_cuda:
            # Only a pinned source is copied without waiting.
            noise = noise.pin_memory()
        return noise.to(inputs.device, non_blocking=True)

    def _check_parts(self) -> None:
        """Refuse parts that do not fit, naming the fix."""
        patches = self.num_patches
        patch_size = self.backbone.patch_embed.projection.kernel_size[0]
        if self.neck.num_patches != patches:
            raise ValueError(
                f'model.neck.num_patches={self.neck.num_patches} but the '
                f'encoder has {patches} patches: set it to {patches}'
            )
        if self.head.patch_size != patch_size:
            raise ValueError(
                f'model.head.patch_size={self.head.patch_size} but the '
                f'encoder has patches of {patch_size}: set it to {patch_size}'
            )
        if self.mask_sampler.num_visible(patches) < 1:
            raise ValueError(
                f'model.mask_sampler.mask_ratio='
                f'{self.mask_sampler.mask_ratio} leaves none of {patches} '
                f'patches visible: at most {1 - 1 / patches:.4f} leaves one'
            )
        masked = patches - self.mask_sampler.num_visible(patches)
        if self.align_patches not in (None, *range(1, masked + 1)):
            raise ValueError(
                f'model.align_patches={self.align_patches}, but '
                f'{masked} of {patches} patches are masked: set it to None '
                f'or from 1 to {masked}'
            )
