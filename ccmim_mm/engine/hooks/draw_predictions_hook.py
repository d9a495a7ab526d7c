"""Drawing the predictions of a test."""

import os
from pathlib import Path

import mmcv
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.visualization import UniversalVisualizer

from ...datasets import LoadReadableImage
from ...files import beside, printable


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
        self.load = LoadReadableImage()

    def before_test(self, runner) -> None:
        """Refuse what would draw a part."""
        if get_world_size() > 1:
            raise ValueError('--show-dir draws with one process: start one')

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw a batch."""
        visualizer = runner.visualizer
        for row, sample in enumerate(outputs):
            out_file = self._out_file(sample.img_path)
            if isinstance(visualizer, UniversalVisualizer):
                # BGR as loaded.
                picture = data_batch['inputs'][row].flip(0).permute(1, 2, 0)
                visualizer.visualize_cls(
                    picture.cpu().numpy(),
                    sample,
                    classes=_texts(visualizer.dataset_meta),
                    out_file=out_file,
                )
            else:
                picture = self.load(dict(img_path=sample.img_path))['img']
                visualizer.add_datasample(
                    '', mmcv.bgr2rgb(picture), sample, out_file=out_file
                )

    def _out_file(self, img_path: str) -> str:
        path = os.path.abspath(img_path)
        root = self.data_root
        if os.path.commonpath((path, root)) != root:
            root = os.sep
        return str(self.out_dir / beside(os.path.relpath(path, root), '.png'))


def _texts(meta: dict | None) -> list[str] | None:
    """Class names as matplotlib can write them."""
    names = (meta or {}).get('classes')
    # Between two dollars it reads formulas.
    return names and [printable(n).replace('$', r'\$') for n in names]
