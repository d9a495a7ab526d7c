"""A config for pictures of other channels, in all its parts."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..config_parts import kind_of_part, named
from ..models.data_preprocessors import OF_THE_PICTURES
from .checks import check_whole

#: What reads pictures as RGB or BGR.
_LOADING = (
    *('LoadUprightImage', 'LoadReadableImage', 'LoadImageFromFile'),
    'LoadChannels',
)
#: What knows no picture but one of bytes in three colours.
_OF_COLOURS = (
    *('ColorJitter', 'WrappedHueColorJitter', 'RandomGrayscale', 'Lighting'),
    *('Solarize', 'GaussianBlur', 'RandAugment', 'AutoAugment'),
    *('RandomErasing', 'PhotoMetricDistortion', 'YOLOXHSVRandomAug'),
)
#: What normalises other channels, by what does three.
_PREPROCESSORS = dict(
    SelfSupDataPreprocessor='ChannelsPreprocessor',
    ChannelsPreprocessor='ChannelsPreprocessor',
    ClsDataPreprocessor='ClsDataPreprocessor',
    SegDataPreProcessor='SegChannelsPreprocessor',
    SegChannelsPreprocessor='SegChannelsPreprocessor',
    DetDataPreprocessor='DetChannelsPreprocessor',
    DetChannelsPreprocessor='DetChannelsPreprocessor',
)


def set_channels(cfg: Config, channels: int) -> str:
    """Have a config train on pictures of so many channels, in all its parts.

    Pictures are read as they are stored, and resized channel by channel;
    what is of colours is taken out of the pipelines. Mean and std of the
    channels are measured on the training's pictures when the run is
    prepared, unless the config's own are of so many.

    Args:
        cfg: The config, changed in place.
        channels: Of a picture, at least 1. With 3 nothing is done: that is
            RGB, whatever the files are.

    Returns:
        What became of it, for people.

    Raises:
        ValueError: If there are to be none, what normalises the pictures is
            of no known kind, or 3 are asked of a config for others.
    """
    check_whole('channels', channels)
    if channels == len('RGB'):
        was = cfg.model.backbone.get('in_channels', channels)
        if was != channels:
            raise ValueError(
                f'--channels 3: the config is for {was} channels: take the '
                'one for RGB that it was made of'
            )
        return '3 channels, RGB, as the config has them'
    _set_preprocessor(cfg, channels)
    left_out: dict[str, None] = {}
    for pipeline in _pipelines(dict(cfg.items())):
        _set_transforms(pipeline, channels, left_out)
    _set_model(cfg, channels)
    out = f'; left out, being of colours: {", ".join(left_out)}'
    return (
        f'{channels} channels as they are stored, resized one by one'
        f'{out if left_out else ""}'
    )


def _set_preprocessor(cfg: Config, channels: int) -> None:
    holder = cfg if cfg.get('data_preprocessor') else cfg.model
    held = holder.get('data_preprocessor') or {}
    kind = kind_of_part(held)
    if kind not in _PREPROCESSORS:
        # mmpretrain's classifiers take this one where none is named.
        if kind or cfg.get('default_scope') != 'mmpretrain':
            raise ValueError(
                f'--channels: {kind or "the data preprocessor"} is of three '
                f'channels: take one of {", ".join(_PREPROCESSORS)}'
            )
        kind = 'ClsDataPreprocessor'
    held['type'] = _PREPROCESSORS[kind]
    for name in ('to_rgb', 'bgr_to_rgb', 'rgb_to_bgr'):
        held.pop(name, None)
    own = [held.get(name) or () for name in ('mean', 'std')]
    if {*map(len, own)} != {channels}:
        held.update(mean=OF_THE_PICTURES, std=OF_THE_PICTURES)
    holder['data_preprocessor'] = held


def _pipelines(part: Any) -> Iterator[list]:
    """Every list of transforms, each once, those within transforms too."""
    seen: set[int] = set()
    for _, holder in named(part):
        for key, value in holder.items():
            inner = str(key).endswith('pipeline') or key == 'transforms'
            if inner and isinstance(value, list) and id(value) not in seen:
                seen.add(id(value))
                yield value


def _set_transforms(
    pipeline: list, channels: int, left_out: dict[str, None]
) -> None:
    for place in reversed(range(len(pipeline))):
        part = pipeline[place]
        if isinstance(part, list):
            _set_transforms(part, channels, left_out)
            continue
        inner = part.get('transforms')
        if kind_of_part(part) == 'RandomApply':
            _set_transforms(inner, channels, left_out)
        kind = kind_of_part(part)
        if kind in _OF_COLOURS or inner == []:
            del pipeline[place]
            if kind in _OF_COLOURS:
                left_out.setdefault(kind)
        elif kind in _LOADING:
            backend = part.get('backend_args')
            part.clear()
            part.update(type='LoadChannels', channels=channels)
            if backend is not None:
                part['backend_args'] = backend
        elif kind == 'RandomResizedCrop':
            part['type'] = 'ChannelsResizedCrop'
        elif kind == 'ResizeEdge':
            part['type'] = 'CappedResizeEdge'


def _set_model(cfg: Config, channels: int) -> None:
    """Encoder, decoder and head."""
    model = cfg.model
    model.backbone['in_channels'] = channels
    neck = model.get('neck') or {}
    if kind_of_part(neck) == 'MaskedPretrainDecoder':
        neck['in_chans'] = channels
    head = model.get('head') or {}
    if kind_of_part(head) == 'MaskedPretrainHead':
        head['in_channels'] = channels
