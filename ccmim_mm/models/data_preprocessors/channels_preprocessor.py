"""Normalising pictures of any number of channels."""

from collections.abc import Sequence

import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import MODELS as ROOT_MODELS
from mmpretrain.models import SelfSupDataPreprocessor
from mmpretrain.registry import MODELS

#: In place of a mean and a std: those of the training's pictures, which
#: are measured before the run starts and stand in its config then.
OF_THE_PICTURES = 'of the pictures'


@MODELS.register_module()
class ChannelsPreprocessor(SelfSupDataPreprocessor):
    """mmpretrain's, for any number of channels, in the order of the files.

    mmengine's own takes one or three. For pictures of ``LoadChannels``.

    Args:
        mean: Of each channel, to subtract, in the units of the files.
        std: Likewise, to divide by then.
        **kwargs: Of the parent.

    Raises:
        ValueError: If they are not of equal length, or not measured.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], **kwargs
    ) -> None:
        super().__init__(**kwargs)
        _take(self, mean, std)


def _register(name: str, base: str) -> None:
    """Register another task's preprocessor, for any number of channels.

    Args:
        name: What configs call it; it takes the base's arguments, and
            ``mean`` and ``std`` as :class:`ChannelsPreprocessor` has them.
        base: The task's own, by its scope: of three channels or one.
    """

    @ROOT_MODELS.register_module(name=name)
    def build(
        mean: Sequence[float], std: Sequence[float], **kwargs
    ) -> ImgDataPreprocessor:
        built = ROOT_MODELS.build(dict(kwargs, type=base))
        _take(built, mean, std)
        return built


_register('SegChannelsPreprocessor', 'mmseg.SegDataPreProcessor')
_register('DetChannelsPreprocessor', 'mmdet.DetDataPreprocessor')


def _take(
    module: ImgDataPreprocessor, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Have a preprocessor normalise so; its own class takes three or one."""
    if OF_THE_PICTURES in (mean, std):
        raise ValueError(
            f'data_preprocessor.mean is {OF_THE_PICTURES!r}, which a run '
            'that is built from its config (RUNNERS.build(cfg)) measures: '
            'take the config of its work dir'
        )
    if len(mean) != len(std) or not len(mean):
        raise ValueError(
            f'data_preprocessor has a mean of {len(mean)} channels and a '
            f'std of {len(std)}: give one a channel'
        )
    module._enable_normalize = True
    for name, values in (('mean', mean), ('std', std)):
        value = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
        module.register_buffer(name, value, persistent=False)
