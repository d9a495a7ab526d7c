"""Label maps beside pictures, to see where the attention lies."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from PIL import Image


@TRANSFORMS.register_module()
class LoadLabelMap(BaseTransform):
    """Load the label map of a picture in class folders.

    The map of ``ROOT/val/CLASS/x.jpg`` is ``ROOT/FOLDER/val/CLASS/x.png``,
    as the demo data has it: 0 background, 255 not judged, else an object.

    Required keys: ``img_path``. Added keys: ``gt_seg_map``, ``(H, W)``
    uint8, and ``seg_fields``, which lets mmcv's resizing and cropping take
    the map along.

    Args:
        folder: The label maps' folder in the data folder.
    """

    def __init__(self, folder: str = 'label_maps') -> None:
        self.folder = folder

    def transform(self, results: dict) -> dict:
        """Load the map.

        Raises:
            FileNotFoundError: If the picture has no map.
            ValueError: If the map has another size than the picture.
        """
        path = Path(results['img_path'])
        root = path.parents[2]
        path = (root / self.folder / path.relative_to(root)).with_suffix(
            '.png'
        )
        if not path.is_file():
            raise FileNotFoundError(
                f'{results["img_path"]} has no label map {path}: put it '
                'there, or take LoadLabelMap out of the pipeline'
            )
        with Image.open(path) as image:
            label_map = np.array(image)
        if label_map.shape != tuple(results['img_shape']):
            raise ValueError(
                f'{path} is {label_map.shape} but its picture '
                f'{tuple(results["img_shape"])}'
            )
        results['gt_seg_map'] = label_map
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={self.folder!r})'
