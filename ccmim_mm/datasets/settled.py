"""Where a data set's annotations and pictures lie, written into its config."""

from pathlib import Path
from typing import Literal

from mmengine.config import ConfigDict

from .annotated_layouts import find_coco, find_label_maps
from .layouts import Split
from .remote.urls import is_remote

#: What a data set is annotated with.
Kind = Literal['pictures', 'class_folders', 'coco', 'label_maps']


def settle(dataset: ConfigDict, kind: Kind, root: str, split: Split) -> None:
    """Find what a data set names within its root, or the like of it.

    Args:
        dataset: Its config, changed in place.
        kind: What it is annotated with.
        root: The data folder.
        split: What it is of.

    Raises:
        FileNotFoundError: If the root lacks it, naming what was looked for.
        ValueError: If the root is a URL, and it has to be a folder.
    """
    if kind == 'coco':
        _find_coco(dataset, root, split)
    elif kind == 'label_maps':
        _find_label_maps(dataset, root, split)
    elif dataset.get('names_file') and not is_remote(root):
        dataset.names_file = str(Path(root, dataset.names_file))


def _find_coco(dataset: ConfigDict, root: str, split: Split) -> None:
    folder = (dataset.get('data_prefix') or {}).get('img', '')
    there = Path(root, dataset.ann_file).is_file()
    if not (there and Path(root, folder).is_dir()):
        coco = find_coco(root, split)
        dataset.ann_file = coco.ann_file
        dataset.data_prefix = dict(img=f'{coco.pictures}/')


def _find_label_maps(dataset: ConfigDict, root: str, split: Split) -> None:
    if not all(Path(root, f).is_dir() for f in dataset.data_prefix.values()):
        found = find_label_maps(root, split)
        dataset.data_prefix = dict(
            img_path=found.pictures, seg_map_path=found.label_maps
        )
        if dataset.type != 'LabelMapDataset':
            dataset.img_suffix = found.suffix
