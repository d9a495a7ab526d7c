"""Drawing the predictions of a test."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, TRANSFORMS
from mmpretrain.visualization import UniversalVisualizer
from torch import Tensor

from ...datasets import LoadChannels, LoadReadableImage
from ...datasets.data_root import leaf
from ...datasets.tars.backend import plain_path
from ...files import beside
from ...visualization import as_text, stretch


@HOOKS.register_module()
class DrawPredictionsHook(Hook):
    """Draw the predictions of a test, each picture's into one file.

    ``ROOT/val/cat/1.jpg`` becomes ``OUT/val/cat/1.jpg.png``. The hooks of
    mmpretrain and mmdet name files by the picture's own name alone, of which
    a data set may have many. Classes are written on what the model saw,
    boxes and maps drawn on the picture as it is.

    Args:
        out_dir: Where to.
        data_root: The data folder; what lies elsewhere keeps its whole path
            below ``out_dir``.

    Raises:
        ValueError: With several processes, of which the libraries'
            visualizers draw the first one's.
    """

    def __init__(self, out_dir: str, data_root: str | None = None) -> None:
        self.out_dir = Path(out_dir)
        self.data_root = os.path.abspath(data_root or os.sep)
        self.load: Any = LoadReadableImage()

    def before_test(self, runner) -> None:
        """Refuse what would draw a part."""
        if get_world_size() > 1:
            raise ValueError('--show-dir draws with one process: start one')
        loading = leaf(runner.cfg, 'test').pipeline[0]
        if loading['type'] == LoadChannels.__name__:
            self.load = TRANSFORMS.build(loading)

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw a batch."""
        visualizer = runner.visualizer
        names = (visualizer.dataset_meta or {}).get('classes')
        names = names and [as_text(name) for name in names]
        for row, sample in enumerate(outputs):
            out_file = self._out_file(sample.img_path)
            if isinstance(visualizer, UniversalVisualizer):
                visualizer.visualize_cls(
                    self._colours(data_batch['inputs'][row].cpu()),
                    sample,
                    classes=names,
                    out_file=out_file,
                )
            else:
                picture = self.load(dict(img_path=sample.img_path))['img']
                picture = torch.from_numpy(picture.transpose(2, 0, 1))
                visualizer.add_datasample(
                    '', self._colours(picture), sample, out_file=out_file
                )

    def _colours(self, picture: Tensor) -> np.ndarray:
        """RGB, ``(H, W, 3)`` uint8, of a picture as loaded."""
        if isinstance(self.load, LoadChannels):
            pixels = picture[None].float()
            shown = stretch(pixels, pixels)[0].round().clamp(0, 255)
            picture = shown.to(torch.uint8).flip(0)
        return picture.flip(0).permute(1, 2, 0).numpy()

    def _out_file(self, img_path: str) -> str:
        path = os.path.abspath(plain_path(img_path))
        root = self.data_root
        if os.path.commonpath((path, root)) != root:
            root = os.sep
        return str(self.out_dir / beside(os.path.relpath(path, root), '.png'))
