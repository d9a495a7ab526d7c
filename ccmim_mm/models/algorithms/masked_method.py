"""Methods that hide patches: their masks, and what they say of themselves."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor

from ..task_modules import (
    BaseMaskSampler,
    MaskIndices,
    RandomMaskSampler,
    build_mask_sampler,
    mask_indices,
)
from .base import PretrainMethod


class Explanation(NamedTuple):
    """What the model attends to, hides and predicts.

    Attributes:
        scores: ``(B, L)`` attention scores of the patches.
        mask: ``(B, L)``, 1 = masked.
        images: ``(B, C, H, W)`` predicted pictures in the range of the
            normalised input, every patch, visible ones included; None if
            the method predicts no pixels.
    """

    scores: Tensor
    mask: Tensor
    images: Tensor | None


class MaskedMethod(PretrainMethod):
    """A method with an encoder that embeds and scores, and a mask sampler.

    Args:
        backbone: The encoder, a :class:`MaskedViT`.
        neck: The decoder; None has none.
        head: What turns predictions into a loss; None has none.
        mask_sampler: Chooses the masked patches; see ``mask_samplers``.
        data_preprocessor: Normalises pictures on the device.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the mask ratio leaves no patch visible.
    """

    mask_sampler: BaseMaskSampler

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        mask_sampler: dict = dict(type='RandomMaskSampler'),
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
        self.num_patches: int = self.backbone.num_patches
        if self.mask_sampler.num_visible(self.num_patches) < 1:
            raise ValueError(
                f'model.mask_sampler.mask_ratio='
                f'{self.mask_sampler.mask_ratio} leaves none of '
                f'{self.num_patches} patches visible: at most '
                f'{1 - 1 / self.num_patches:.4f} leaves one'
            )

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor]:
        """Features of whole pictures ``(B, C, H, W)``: ``((B, L+1, C),)``."""
        return self.backbone(inputs)

    def attention(self, inputs: Tensor) -> Tensor:
        """The encoder's CLS attention to the patches of whole pictures.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.

        Returns:
            ``(B, L)``, see :meth:`MaskedViT.score`.
        """
        return self.backbone.score(self.backbone.embed(inputs))

    @torch.no_grad()
    def explain(
        self, inputs: Tensor, seed: int = 0, mask: Tensor | None = None
    ) -> Explanation:
        """Mask pictures and predict them back, for a person to look at.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            seed: Seed of the masks.
            mask: ``(B, L)``, 1 = masked, in place of a sampled one; of every
                picture as many patches.
        """
        tokens = self.backbone.embed(inputs)
        if mask is None:
            scores, ids = self.draw_mask(tokens, seed)
        else:
            scores = self.backbone.score(tokens)
            ids = mask_indices(mask.to(scores.device))
        images = self.predict_pictures(inputs, tokens, ids)
        return Explanation(scores, ids.mask, images)

    def predict_pictures(
        self, inputs: Tensor, tokens: Tensor, ids: MaskIndices
    ) -> Tensor | None:
        """Predict masked pictures.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            tokens: Their embedded patches, ``(B, L, C)``.
            ids: What is masked.

        Returns:
            See :class:`Explanation`; None if the method predicts no pixels.
        """
        return None

    @torch.no_grad()
    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """Attention and features, see the parent."""
        return dict(attention=self.attention(inputs)) | super().panel(
            inputs, seed
        )

    def scores(self, tokens: Tensor) -> Tensor | None:
        """What the sampler chooses by, if it does not choose at random.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.

        Returns:
            ``(B, L)``, see :meth:`MaskedViT.score`, or None.
        """
        needed = self.mask_sampler.needs_scores
        return self.backbone.score(tokens) if needed else None

    def draw_mask(
        self, tokens: Tensor, seed: int
    ) -> tuple[Tensor, MaskIndices]:
        """Scores, whether needed or not, and a mask to show to people.

        Args:
            tokens: All embedded patches, ``(B, L, C)``.
            seed: Of the noise, the same on every device.

        Returns:
            ``(B, L)``, and what the sampler made of them.
        """
        scores = self.backbone.score(tokens)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.rand(scores.shape, generator=generator)
        return scores, self.mask_sampler(scores, noise.to(scores.device))

    def hidden_pixels(self, mask: Tensor, size: Sequence[int]) -> Tensor:
        """A mask over patches as one over pixels.

        Args:
            mask: ``(B, L)``, 1 = masked.
            size: H and W.

        Returns:
            ``(B, 1, H, W)``.
        """
        grid = self.backbone.patch_resolution
        return F.interpolate(mask.unflatten(1, (1, *grid)), tuple(size))

    def mask_noise(
        self, inputs: Tensor, data_samples: list[DataSample] | None
    ) -> Tensor:
        """The noise that the masks are drawn from.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            data_samples: One a picture, with or without a ``mask_noise``
                field ``(L,)``.

        Returns:
            ``(B, L)`` in [0, 1): carried by the pictures, or drawn here.

        Raises:
            TypeError: If the pictures were collated into a list.
            ValueError: If the noise is not of length L, or stands for a mask
                that the sampler does not give.
        """
        if not isinstance(inputs, Tensor):
            raise TypeError(
                'got the pictures as a list, expected one tensor: set '
                "train_dataloader.collate_fn=dict(type='default_collate')"
            )
        shape = (len(inputs), self.num_patches)
        carried = [
            s.mask_noise for s in data_samples or () if 'mask_noise' in s
        ]
        if not carried:
            return torch.rand(shape, device=inputs.device)
        noise = torch.from_numpy(np.stack(carried))
        if noise.shape != shape:
            raise ValueError(
                f'the pictures carry mask noise of shape '
                f'{tuple(noise.shape)} but the model needs {shape}: set '
                f'num_patches={shape[1]} in the PackMaskedInputs of the '
                'training pipeline'
            )
        self._check_shapes(data_samples or ())
        if inputs.is_cuda and torch.cuda.is_available():
            # Only a pinned source is copied without waiting.
            noise = noise.pin_memory()
        return noise.to(inputs.device, non_blocking=True)

    def _check_decoder(self) -> None:
        """Refuse a decoder or a head of other patches, naming the fix."""
        projection = self.backbone.patch_embed.projection
        patch_size, channels = (
            projection.kernel_size[0],
            projection.in_channels,
        )
        rows, columns = self.backbone.patch_resolution
        if self.neck.grid != (rows, columns):
            patches = rows**2 if rows == columns else (rows, columns)
            raise ValueError(
                f'model.neck.num_patches={self.neck.num_patches} but the '
                f'encoder has {self.num_patches} patches: set it to {patches}'
            )
        if self.head.patch_size != patch_size:
            raise ValueError(
                f'model.head.patch_size={self.head.patch_size} but the '
                f'encoder has patches of {patch_size}: set it to {patch_size}'
            )
        if self.head.in_channels != channels:
            raise ValueError(
                f'model.head.in_channels={self.head.in_channels} but the '
                f'encoder takes pictures of {channels} channels: set it to '
                f'{channels}, and model.neck.in_chans'
            )

    def _check_shapes(self, data_samples: Iterable[DataSample]) -> None:
        """Refuse mask shapes of which the sampler would hide others."""
        wanted = {s.num_masked for s in data_samples if 'num_masked' in s}
        masked = self.num_patches - self.mask_sampler.num_visible(
            self.num_patches
        )
        if not wanted:
            return
        if not isinstance(self.mask_sampler, RandomMaskSampler):
            raise ValueError(
                "the pictures carry masks' shapes, which "
                f'{type(self.mask_sampler).__name__} does not keep: set '
                'model.mask_sampler.type to RandomMaskSampler, or take the '
                'shapes out of the training pipeline'
            )
        if wanted != {masked}:
            count = max(wanted)
            # So that rounding cannot matter.
            ratio = (count - 0.5) / self.num_patches
            raise ValueError(
                f'the pictures carry masks of {count} patches and the '
                f'sampler hides {masked}: set model.mask_sampler.mask_ratio '
                f'to {ratio:.4f}'
            )
