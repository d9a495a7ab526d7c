"""Resizing that thin pictures do not make expensive."""

import mmcv
import numpy as np
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets.transforms import ResizeEdge


@TRANSFORMS.register_module()
class CappedResizeEdge(ResizeEdge):
    """mmpretrain's ``ResizeEdge`` in front of a crop of the centre.

    Of a picture of 1 x 30,000 pixels the short edge at 256 would make 6 GB
    of what the crop throws away. So the middle alone of what is longer than
    ``max_aspect`` times its width is resized; other pictures come out as the
    parent has them, to the bit. Label maps (``seg_fields``) are cropped and
    resized along, by nearest neighbours.

    Args:
        scale: Length of the edge after resizing, in pixels.
        max_aspect: Longer over shorter edge, at least 1; 8 is chosen here.
        **kwargs: ``edge``, ``backend``, ``interpolation`` of the parent.

    Raises:
        ValueError: If ``max_aspect`` is below 1.
    """

    def __init__(self, scale: int, max_aspect: float = 8, **kwargs) -> None:
        super().__init__(scale, **kwargs)
        if max_aspect < 1:
            raise ValueError(f'max_aspect must be >= 1, got {max_aspect}')
        self.max_aspect = max_aspect

    def transform(self, results: dict) -> dict:
        """Crop what is too long, and resize."""
        fields = results.get('seg_fields', [])
        if self.edge != 'long':
            for name in ('img', *fields):
                results[name] = self._middle(results[name])
        results = super().transform(results)
        for name in fields:
            results[name] = mmcv.imresize(
                results[name],
                results['scale'],
                interpolation='nearest',
                backend=self.backend,
            )
        return results

    def _middle(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        longest = int(self.max_aspect * min(height, width))
        top = max(0, height - longest) // 2
        left = max(0, width - longest) // 2
        return picture[top : top + longest, left : left + longest]
