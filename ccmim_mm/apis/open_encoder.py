"""An encoder of a checkpoint alone, whatever project it comes from."""

from pathlib import Path
from typing import Any

from mmengine.dataset import Compose
from mmengine.model import BaseModel
from mmengine.registry import TRANSFORMS, DefaultScope
from mmpretrain.models import SelfSupDataPreprocessor
from torch import Tensor

from ..encoders import (
    Pixels,
    Source,
    config_of_checkpoint,
    pixels_of,
    read_source,
    transforms_of,
)
from .encoder import Encoder, load_encoder


class PlainEncoder(BaseModel):
    """A network of a checkpoint that no config tells of.

    Args:
        source: The checkpoint.
        pixels: How its pictures are normalised.
    """

    def __init__(self, source: Source, pixels: Pixels) -> None:
        super().__init__()
        self.backbone: Any = source.network.backbone
        self.data_preprocessor = SelfSupDataPreprocessor(
            mean=[255 * value for value in pixels.mean],
            std=[255 * value for value in pixels.std],
            bgr_to_rgb=True,
        )

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Tokens ``(B, 1 + L, C)`` of normalised pictures, CLS first."""
        return self.backbone(inputs)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`extract_feat`."""
        return self.extract_feat(inputs)


def open_encoder(
    checkpoint: str | Path,
    config: str | Path | None = None,
    device: str | None = None,
) -> tuple[Encoder, Path | None]:
    """Load the encoder of a checkpoint, with what is known of it.

    Args:
        checkpoint: Of any format that is known.
        config: Its config, or the work dir of its run; None takes the one of
            the work dir that it lies in. Without one the tensors tell, and
            pictures are normalised as CLIP's, or as ImageNet's.
        device: Where it runs; None is a GPU where there is one.

    Returns:
        It, and the work dir of its run, if there is one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or is no plain ViT and there is no
            config.
    """
    cfg, work_dir = config_of_checkpoint(checkpoint, config)
    if cfg is not None:
        return load_encoder(cfg, str(checkpoint), device=device), work_dir
    source = read_source(checkpoint, 'none')
    pixels = pixels_of(source)
    load, *rest = transforms_of(pixels)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        loading = TRANSFORMS.build(load)
        pipeline = Compose([*rest, dict(type='PackInputs')])
    model = PlainEncoder(source, pixels)
    return Encoder(model, loading, pipeline, device), work_dir
