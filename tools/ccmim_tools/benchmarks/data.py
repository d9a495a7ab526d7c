"""How fast pictures arrive, and what a list of a million names costs."""

import copy
import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.datasets import MultiView, RandomResizedCrop
from mmpretrain.registry import DATASETS
from PIL import Image

from ccmim_mm.config_parts import kind_of_part
from ccmim_mm.datasets.data_root import FOLDERS
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.transforms.resizing import LoadedCrop

from .memory import resident_mib

#: Height and width.
Size = tuple[int, int]


def bare_crops(paths: list[str], crops: list[tuple[Size, float]]) -> int:
    """Decode pictures, cut squares out and resize them; no framework.

    Args:
        paths: The pictures.
        crops: Of each picture: height and width of the output, in pixels,
            and the mean area of the crop, as a share of the picture.

    Returns:
        How many were read.
    """
    for path in paths:
        with Image.open(path) as image:
            width, height = image.size
            picture = image.convert('RGB')
        for size, area in crops:
            edge = min(width, height, (area * width * height) ** 0.5)
            box = (0, 0, round(edge), round(edge))
            crop = picture.crop(box)
            crop = crop.resize(size[::-1], Image.Resampling.BICUBIC)
            np.ascontiguousarray(np.asarray(crop).transpose(2, 0, 1))
    return len(paths)


def crops_in(transforms: Iterable[Any]) -> Iterator[RandomResizedCrop]:
    """The random crops of a pipeline, of several views one each."""
    for transform in transforms:
        if isinstance(transform, MultiView):
            for view in transform.transforms:
                yield from crops_in(view.transforms)
        # A dataset joins the crop to the loading.
        elif isinstance(transform, LoadedCrop):
            yield transform.crop
        elif isinstance(transform, RandomResizedCrop):
            yield transform


class DataRates:
    """Rates of the bare work and of a config's training loader.

    Args:
        cfg: A pre-training config, its data folder set.
        workers: Processes.
        pictures: Pictures of one measurement, at most.
        batch_size: Pictures of a batch.

    Attributes:
        sizes: Height and width of each view of a picture, in pixels.

    Raises:
        FileNotFoundError: If there are no pictures.
        ValueError: If it is no config whose pictures are cropped at random.
    """

    def __init__(
        self, cfg: Config, workers: int, pictures: int, batch_size: int
    ) -> None:
        loader_cfg: Any = copy.deepcopy(cfg.get('train_dataloader') or {})
        leaf: Any = (loader_cfg.get('dataset') or {}).get('dataset') or {}
        if kind_of_part(leaf) not in FOLDERS:
            raise ValueError(
                f'{cfg.filename} reads no folder of pictures: give the config '
                'of a pre-training'
            )
        leaf.max_pictures = pictures
        dataset = DATASETS.build(loader_cfg.dataset)
        loader_cfg.update(
            dataset=dataset,
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=False,
        )
        self.loader = Runner.build_dataloader(loader_cfg, seed=0)
        paths = [
            dataset.get_data_info(i)['img_path'] for i in range(len(dataset))
        ]
        count = max(workers, 1)
        crops = [
            (crop.scale, sum(crop.crop_ratio_range) / 2)
            for crop in crops_in(dataset.dataset.pipeline.transforms)
        ]
        if not crops:
            raise ValueError(
                f'{cfg.filename} has no RandomResizedCrop, which the bare '
                'work is measured by: give a config that has'
            )
        self.sizes = [size for size, _ in crops]
        self.shares = [(paths[i::count], crops) for i in range(count)]
        self.pool = multiprocessing.get_context('fork').Pool(count)

    def bare(self) -> float:
        """Pictures per second of :func:`bare_crops` in as many processes."""
        start = time.perf_counter()
        done = sum(self.pool.starmap(bare_crops, self.shares, chunksize=1))
        return done / (time.perf_counter() - start)

    def pipeline(self) -> float:
        """Pictures per second that the training loader delivers."""
        start = time.perf_counter()
        # Of several views the inputs are as many batches.
        done = sum(len(batch['data_samples']) for batch in self.loader)
        return done / (time.perf_counter() - start)


def listing_cost(count: int) -> dict[str, float]:
    """What opening a folder of ``count`` pictures costs.

    The files are empty, in folders of 1,000, and deleted afterwards.

    Returns:
        Seconds to list it at first and from the cache, and by how much
        the process's memory grew at the peak, in MiB.
    """
    with tempfile.TemporaryDirectory() as root:
        for start in range(0, count, 1000):
            folder = Path(root, 'pictures', f'n{start:08}')
            folder.mkdir(parents=True)
            for i in range(start, min(start + 1000, count)):
                (folder / f'n{start:08}_{i:08}.JPEG').touch()
        # A folder changed this very moment is not cached.
        time.sleep(3)
        context = multiprocessing.get_context('spawn')
        results = []
        for _ in range(2):
            with context.Pool(1) as pool:
                arguments = (f'{root}/pictures', f'{root}/cache')
                results.append(pool.apply(_list_once, arguments))
    (first_s, first_mib), (cached_s, cached_mib) = results
    return dict(
        first_s=first_s,
        first_mib=first_mib,
        cached_s=cached_s,
        cached_mib=cached_mib,
    )


def _list_once(root: str, cache: str) -> tuple[float, float]:
    before = resident_mib('VmRSS')
    start = time.perf_counter()
    listing = list_pictures(root, cache)
    passed = time.perf_counter() - start
    assert len(listing)
    return passed, resident_mib('VmHWM') - before
