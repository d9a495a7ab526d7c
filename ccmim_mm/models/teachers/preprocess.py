"""What a teacher sees of the student's pictures."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...checkpoints import Weights
from ..plain_vit import CLIP, IMAGENET

#: Mean and standard deviation of each channel, in [0, 255].
Normalization = tuple[Sequence[float], Sequence[float]]


class Preprocess:
    """The student's pictures as a teacher was trained on them: pixels, size.

    Args:
        size: Height and width that it sees, in pixels.
        pixels: What the student's pictures are normalised with.
        own: What its own are normalised with.
    """

    def __init__(
        self, size: tuple[int, int], pixels: Normalization, own: Normalization
    ) -> None:
        self._size = size
        #: From the student's pixels to its own: scale and shift by channel.
        self._affine: Tensor | None = None
        if [*map(list, pixels)] != [*map(list, own)]:
            channels = [*zip(*pixels, *own, strict=True)]
            scale = [s / own_s for _, s, _, own_s in channels]
            shift = [(m - own_m) / own_s for m, _, own_m, own_s in channels]
            affine = torch.tensor([scale, shift])
            self._affine = affine.reshape(2, 1, -1, 1, 1)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Pictures as the teacher's.

        Args:
            inputs: The student's, normalised, ``(B, C, H, W)``.

        Returns:
            ``(B, C, *size)``, on the same device.
        """
        if self._affine is not None:
            if self._affine.device != inputs.device:
                self._affine = self._affine.to(inputs.device)
            scale, shift = self._affine
            inputs = inputs * scale + shift
        if inputs.shape[-2:] != self._size:
            # Down to fewer pixels as Pillow does it.
            inputs = F.interpolate(
                inputs, self._size, mode='bicubic', antialias=True
            )
        return inputs


def default_normalization(
    weights: Weights, channels: int, students: Normalization
) -> Normalization:
    """What a teacher's pictures are normalised with, if nobody tells.

    Args:
        weights: Of the teacher.
        channels: Of its pictures.
        students: What the student's are normalised with.

    Returns:
        CLIP's own for a CLIP; the student's for what this project made, or
        what sees no RGB; else that of ImageNet.
    """
    if weights.of_clip:
        return CLIP
    if weights.form in ('project', 'random') or channels != len('RGB'):
        return students
    return IMAGENET
