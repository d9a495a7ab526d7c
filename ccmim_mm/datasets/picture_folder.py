"""A folder of pictures as a dataset."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..files import printable
from .layouts import Split, folder_of
from .listing import list_pictures
from .problems import refuse
from .remote.urls import is_remote
from .transforms.resizing import joined
from .walk import Listing


@DATASETS.register_module()
class PictureFolder(BaseDataset):
    """Every picture below a folder, however deep, with or without labels.

    A folder that holds tars and nothing else is read as
    :class:`PictureTars` does.

    A million pictures cost some 50 MB: paths are kept as one byte string
    that forked workers share, not as a Python object each.

    Args:
        data_root: The folder, or the URL of shards; None is the
            ``data_root`` of the config, which the runner fills in.
        pipeline: Transforms, from loading to packing.
        split: ``train`` or ``val`` of a folder that is laid out like
            ImageNet; one without them is its own split, unless labels are
            asked for. None takes the folder as it is.
        with_label: Take the first folder level as the class.
        max_pictures: Keep at most that many, chosen by ``subset_seed``.
        subset_seed: Seed of that choice.
        names_file: Keep the pictures that this text file names, one a line:
            by their path within the folder (of the split), or by their file
            name if one alone has it; None keeps all.
        cache_dir: Where the list of files is cached, see
            :func:`list_pictures`.
        test_mode: As in mmengine's ``BaseDataset``.
        metainfo: Its ``classes`` are names in the order of their numbers,
            which every class of the folder is looked up in; without them
            those of the folder are numbered, sorted.

    Raises:
        FileNotFoundError: If the folder is missing or has no pictures.
        ValueError: If there is no ``data_root``, labels are asked for and
            the pictures lie flat or are of a class that is none of
            ``metainfo``'s, or a name of ``names_file`` is missing or several
            pictures'.
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
        metainfo: dict | None = None,
    ) -> None:
        if data_root is None:
            raise ValueError(
                'PictureFolder has no data_root: set that of the config and '
                'build the runner from it (RUNNERS.build(cfg)), or give the '
                'dataset its own'
            )
        if split is not None:
            data_root = str(folder_of(data_root, split, with_label))
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
            metainfo=metainfo,
            serialize_data=False,
        )
        self.pipeline.transforms = joined(self.pipeline.transforms)

    def _join_prefix(self) -> None:
        # Of a URL, mmengine's file backends know no way to do it.
        if not is_remote(self.data_root):
            super()._join_prefix()

    def full_init(self) -> None:
        """List the folder, once."""
        if self._fully_initialized:
            return
        self.listing = list_pictures(self.data_root, self.cache_dir)
        if self.with_label:
            found, labels = self.listing.classes(self.data_root)
            classes = self._metainfo.setdefault('classes', found)
            self.labels = self._numbers(found, classes)[labels]
        if self.names_file is not None:
            self.order = self._named(self.names_file)
        total = len(self)
        if self.max_pictures is not None and self.max_pictures < total:
            rng = np.random.default_rng(self.subset_seed)
            chosen = rng.choice(total, self.max_pictures, replace=False)
            chosen = np.sort(chosen)
            self.order = chosen if self.order is None else self.order[chosen]
        self._fully_initialized = True

    def _numbers(self, found: list[str], classes: Sequence[str]) -> np.ndarray:
        """Of each class of the folder its number, by its name."""
        where = printable(self.data_root)
        numbers = {name: number for number, name in enumerate(classes)}
        known = ', '.join([*classes[:5], *(['...'] * (len(classes) > 5))])
        refuse(
            where,
            [
                f'class {printable(name)} is not among {printable(known)}'
                for name in found
                if name not in numbers
            ],
            'call its folder as the class is called, or take it out',
        )
        if lost := sorted(numbers.keys() - set(found)):
            print_log(
                f'{where} has {len(found)} of {len(classes)} classes, none '
                f'of {printable(lost[0])}',
                'current',
            )
        return np.array([numbers[name] for name in found], np.int32)

    def _named(self, names_file: str) -> np.ndarray:
        """Rows of the listing that a text file names."""
        # Not splitlines: names may have what it takes for a line's end.
        text = Path(names_file).read_text('utf-8-sig', 'surrogateescape')
        wanted = {name for name in text.split('\n') if name.strip()}
        if not wanted:
            raise ValueError(f'{printable(names_file)} names no pictures')
        exact: dict[str, int] = {}
        bare: dict[str, list[int]] = {}
        for row in range(len(self.listing)):
            path = self.listing[row]
            name = os.path.basename(path)
            if path in wanted:
                exact[path] = row
            elif name in wanted:
                bare.setdefault(name, []).append(row)
        bare = {name: bare[name] for name in bare.keys() - exact.keys()}
        if lost := sorted(wanted - exact.keys() - bare.keys()):
            raise ValueError(
                f'{printable(names_file)} names {len(lost)} pictures that are '
                f'not in {printable(self.data_root)}, first '
                f'{printable(lost[0])}'
            )
        for name, rows in sorted(bare.items()):
            if len(rows) > 1:
                found = ', '.join(self.listing[row] for row in rows[:3])
                more = ', ...' if len(rows) > 3 else ''
                raise ValueError(
                    f'{printable(names_file)} names {printable(name)}, which '
                    f'{len(rows)} pictures are called: write which of '
                    f'{printable(found)}{more}'
                )
        rows = [*exact.values(), *(row for row, *_ in bare.values())]
        return np.array(sorted(rows))

    def __len__(self) -> int:
        return len(self.listing if self.order is None else self.order)

    def name(self, idx: int) -> str:
        """Path of picture ``idx`` within the folder, or its shard."""
        return self.listing[self._row(idx)]

    def class_of(self, idx: int) -> str | None:
        """What names the class of picture ``idx``; None for nothing."""
        return self.listing.class_of(self._row(idx))

    def _row(self, idx: int) -> int:
        return int(idx if self.order is None else self.order[idx])

    def get_data_info(self, idx: int) -> dict:
        """Path, index and label of picture ``idx``, in [0, len)."""
        row = self._row(idx)
        path = self.listing.path(self.data_root, row)
        info = dict(img_path=path, sample_idx=int(idx))
        if self.labels is not None:
            info['gt_label'] = int(self.labels[row])
        return info
