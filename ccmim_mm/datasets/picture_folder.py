"""A folder of pictures as a dataset."""

from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from .layouts import Split, class_folders, find_layout
from .listing import Listing, list_pictures


@DATASETS.register_module()
class PictureFolder(BaseDataset):
    """Every picture below a folder, however deep, with or without labels.

    A million pictures cost some 50 MB: paths are kept as one byte string
    that forked workers share, not as a Python object each.

    Args:
        data_root: The folder; None is the ``data_root`` of the config, which
            the runner fills in.
        pipeline: Transforms, from loading to packing.
        split: ``train`` or ``val`` of a folder that is laid out like
            ImageNet; one without them is its own split, unless labels are
            asked for. None takes the folder as it is.
        with_label: Take the first folder level as the class.
        max_pictures: Keep at most that many, chosen by ``subset_seed``.
        subset_seed: Seed of that choice.
        names_file: Keep the pictures whose file names are in this text
            file, one a line; None keeps all.
        cache_dir: Where the list of files is cached, see
            :func:`list_pictures`.
        test_mode: As in mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: If the folder is missing or has no pictures.
        ValueError: If there is no ``data_root``, labels are asked for and
            the pictures lie flat, or a name of ``names_file`` is missing.
    """

    def __init__(
        self,
        data_root: str | None = None,
        pipeline: list[dict] = [],
        split: Split | None = None,
        with_label: bool = False,
        max_pictures: int | None = None,
        subset_seed: int = 0,
        names_file: str | None = None,
        cache_dir: str | None = None,
        test_mode: bool = False,
    ) -> None:
        if data_root is None:
            raise ValueError(
                'PictureFolder has no data_root: set that of the config and '
                'build the runner from it (RUNNERS.build(cfg)), or give the '
                'dataset its own'
            )
        if split is not None:
            data_root = str(_folder(data_root, split, with_label))
        self.with_label = with_label
        self.max_pictures = max_pictures
        self.subset_seed = subset_seed
        self.names_file = names_file
        self.cache_dir = cache_dir
        self.listing: Listing
        self.order: np.ndarray | None = None
        self.labels: np.ndarray | None = None
        self._fully_initialized: bool
        super().__init__(
            data_root=data_root,
            pipeline=pipeline,
            test_mode=test_mode,
            serialize_data=False,
        )

    def full_init(self) -> None:
        """List the folder, once."""
        if self._fully_initialized:
            return
        self.listing = list_pictures(self.data_root, self.cache_dir)
        if self.with_label:
            classes, self.labels = self.listing.classes()
            self._metainfo['classes'] = classes
        if self.names_file is not None:
            self.order = self._named(self.names_file)
        total = len(self)
        if self.max_pictures is not None and self.max_pictures < total:
            rng = np.random.default_rng(self.subset_seed)
            chosen = rng.choice(total, self.max_pictures, replace=False)
            chosen = np.sort(chosen)
            self.order = chosen if self.order is None else self.order[chosen]
        self._fully_initialized = True

    def _named(self, names_file: str) -> np.ndarray:
        """Rows of the listing whose file names a text file has."""
        wanted = set(Path(names_file).read_text(encoding='utf-8').split())
        rows = {
            name: row
            for row in range(len(self.listing))
            if (name := Path(self.listing[row]).name) in wanted
        }
        lost = sorted(wanted - rows.keys())
        if lost:
            raise ValueError(
                f'{names_file} names {len(lost)} pictures that are not in '
                f'{self.data_root}, first {lost[0]}'
            )
        return np.array(sorted(rows.values()))

    def __len__(self) -> int:
        return len(self.listing if self.order is None else self.order)

    def get_data_info(self, idx: int) -> dict:
        """Path, index and label of picture ``idx``, in [0, len)."""
        row = int(idx if self.order is None else self.order[idx])
        path = Path(self.data_root, self.listing[row])
        info = dict(img_path=str(path), sample_idx=int(idx))
        if self.labels is not None:
            info['gt_label'] = int(self.labels[row])
        return info


def _folder(root: str, split: Split, with_label: bool) -> Path:
    if with_label:
        return class_folders(root, split)
    layout = find_layout(root)
    return layout.train if split == 'train' else layout.val or layout.train
