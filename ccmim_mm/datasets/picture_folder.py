"""A folder of pictures as a dataset."""

from pathlib import Path

import numpy as np
from mmpretrain.registry import DATASETS

from .listing import Listing, list_pictures
from .seeded_dataset import SeededDataset


@DATASETS.register_module()
class PictureFolder(SeededDataset):
    """Every picture below a folder, however deep, with or without labels.

    A million pictures cost some 50 MB: paths are kept as one byte string
    that forked workers share, not as a Python object each.

    Args:
        data_root: The folder.
        pipeline: Transforms, from loading to packing.
        with_label: Take the first folder level as the class.
        max_pictures: Keep at most that many, chosen by ``subset_seed``.
        subset_seed: Seed of that choice.
        cache_dir: Where the list of files is cached, see
            :func:`list_pictures`.
        test_mode: As in mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: If the folder is missing or has no pictures.
        ValueError: If labels are asked for and the pictures lie flat.
    """

    def __init__(
        self,
        data_root: str,
        pipeline: list[dict],
        with_label: bool = False,
        max_pictures: int | None = None,
        subset_seed: int = 0,
        cache_dir: str | None = None,
        test_mode: bool = False,
    ) -> None:
        self.with_label = with_label
        self.max_pictures = max_pictures
        self.subset_seed = subset_seed
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
        total = len(self.listing)
        if self.max_pictures is not None and self.max_pictures < total:
            rng = np.random.default_rng(self.subset_seed)
            chosen = rng.choice(total, self.max_pictures, replace=False)
            self.order = np.sort(chosen)
        self._fully_initialized = True

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
