"""Mean and standard deviation of pictures that no config can know."""

from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope

from ...datasets.data_root import leaf
from ...datasets.transforms import ChannelsError, UnreadablePictureError
from ...models.data_preprocessors import OF_THE_PICTURES
from ...torchrun import is_first
from .work_dir import config_in, undecided

#: Pictures that are read for it, spread evenly over the training's. Chosen
#: here.
PICTURES = 512


def fill_in_pixel_statistics(cfg: Config) -> None:
    """Measure a preprocessor's mean and std where it asks for them.

    Of all pixels of :data:`PICTURES` pictures, the same whenever the folder
    is. A channel that is the same everywhere gets a std of 1. A run that
    is resumed keeps what it has.

    Args:
        cfg: The config with its data found, changed in place.

    Raises:
        UnreadablePictureError: If a picture has another number of channels,
            or none can be read.
        ValueError: If there is nothing to measure.
    """
    held = preprocessor_of(cfg)
    if OF_THE_PICTURES not in (held.get('mean'), held.get('std')):
        return
    if not cfg.get('train_dataloader'):
        raise ValueError(
            f'data_preprocessor.mean is {OF_THE_PICTURES!r}, and the config '
            'has no train_dataloader: give its numbers'
        )
    if kept := _of_the_run(cfg):
        held.mean, held.std = kept
        _say(f'mean and std of {len(kept[0])} channels: as before')
        return
    mean, std, count, pictures = _measured(cfg)
    held.mean, held.std = mean, std
    _say(
        f'mean and std of {len(mean)} channels, of {count} of {pictures} '
        f'pictures: data_preprocessor.mean={_short(mean)} '
        f'data_preprocessor.std={_short(std)}'
    )


def _say(text: str) -> None:
    """Once, whatever the number of processes."""
    if is_first():
        print_log(text)


def _of_the_run(cfg: Config) -> tuple[list[float], list[float]] | None:
    """What a run that is resumed was trained with, by its config.

    Its pictures may be others by now, and its weights are for these.
    """
    if not cfg.get('resume'):
        return None
    folder = Path(cfg.get('load_from') or Path(cfg.work_dir, 'x')).parent
    if not any(folder.glob('*.pth')):
        return None
    if (saved := config_in(folder)) is None:
        if several := undecided(folder):
            _say(f'{several}: mean and std are measured anew')
        return None
    held = preprocessor_of(Config.fromfile(saved))
    mean, std = held.get('mean'), held.get('std')
    if OF_THE_PICTURES in (mean, std) or not mean or not std:
        return None
    return list(mean), list(std)


def preprocessor_of(cfg: Config) -> ConfigDict:
    """What normalises a config's pictures; empty if nothing does."""
    found = cfg.get('data_preprocessor')
    return found or cfg.model.get('data_preprocessor') or ConfigDict()


def _measured(cfg: Config) -> tuple[list[float], list[float], int, int]:
    """Mean, std, of how many pictures, and how many there are."""
    dataset = leaf(cfg, 'train')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        loading = TRANSFORMS.build(dataset.pipeline[0])
        pictures = DATASETS.build(dict(dataset, pipeline=[]))
    sums, squares = np.zeros(1), np.zeros(1)
    first, pixels, read = None, 0, 0
    for index in np.unique(
        np.linspace(0, len(pictures) - 1, PICTURES).round().astype(int)
    ):
        try:
            values = loading(pictures.get_data_info(int(index)))['img']
        except UnreadablePictureError as error:
            if isinstance(error.__cause__, ChannelsError):
                raise
            first = first or error
            continue
        values = values.reshape(-1, values.shape[-1]).astype(np.float64)
        sums, squares = sums + values.sum(0), squares + (values**2).sum(0)
        pixels, read = pixels + len(values), read + 1
    if first is not None and not read:
        raise first
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    std = np.where(std > 1e-6 * np.abs(mean), std, 1.0)
    return mean.tolist(), std.tolist(), read, len(pictures)


def _short(values: list[float]) -> str:
    """As ``--cfg-options`` takes them."""
    return ','.join(f'{value:.6g}' for value in values)
