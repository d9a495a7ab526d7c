"""A pre-trained encoder in memory: pictures in, what it sees out."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.device import get_device
from mmengine.logging import MMLogger, print_log
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope
from torch import Tensor, nn

from ..checkpoints import (
    read_as_project,
    safe_init_cfg,
)
from ..config import apply_options, read_config
from ..datasets.data_root import evaluation_pipeline
from ..engine.runner.pixel_statistics import preprocessor_of
from ..engine.runner.work_dir import config_beside, config_of
from ..hub import find_config
from ..models import MaskedMethod, features_of, patch_features_of
from ..models.algorithms import Explanation
from ..models.loading import load_pretrained
from .reading import Pictures, one_by_one, read_picture

#: Encoded at a time.
BATCH_SIZE = 64


def load_encoder(
    config: str | Path | Config,
    checkpoint: str | None = None,
    options: dict[str, Any] | None = None,
    device: str | None = None,
) -> 'Encoder':
    """Load the encoder of a pre-training config.

    Args:
        config: The config, its path, a name of this project's such as
            ``ccmim_vit-b``, or the work dir of a run, which has left its own
            there; its evaluation pipeline is used.
        checkpoint: Of any format that is known; None leaves it random.
        options: Overrides of the config, by dotted keys.
        device: Where it runs; None is a GPU where there is one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken or does not fill the encoder, an override
            means nothing, or the config is of detection or segmentation.
    """
    cfg = config
    if not isinstance(cfg, Config):
        cfg = read_config(config_of(find_config(cfg)))
    apply_options(cfg, options)
    if cfg.get('default_scope') in ('mmdet', 'mmseg'):
        raise ValueError(
            f'{cfg.filename} is of detection or segmentation, and encoders '
            'are read of pre-trainings and classifiers: ccmim test --show-dir '
            'draws what it predicts, ccmim export --to pt2 writes its encoder'
        )
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(
            dict(cfg.model, data_preprocessor=preprocessor_of(cfg))
        )
        load, *rest = evaluation_pipeline(cfg)
        loading, pipeline = TRANSFORMS.build(load), Compose(rest)
    with safe_init_cfg(), _quiet():
        model.init_weights()
    if checkpoint is not None:
        state, heads, form = read_as_project(checkpoint)
        try:
            account = load_pretrained(model, state, heads=heads, remedy='')
        except ValueError as error:
            own = config_beside(checkpoint, cfg.filename)
            raise ValueError(f'{checkpoint}: {error}{own}') from None
        print_log(f'{checkpoint} ({form} names): {account}')
    return Encoder(model, loading, pipeline, device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No line for each parameter, which mmengine prints without a run."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class Encoder:
    """A frozen model, and the pictures as it was judged on them.

    Args:
        model: The model, a method of this project or any of mmpretrain.
        loading: The transform that reads a file.
        pipeline: What follows it, up to packing.
        device: Where it runs; None is a GPU where there is one.
    """

    def __init__(
        self,
        model: nn.Module,
        loading: Any,
        pipeline: Compose,
        device: str | None = None,
    ) -> None:
        self.model: Any = model.eval().to(device or get_device())
        self.loading = loading
        self.pipeline = pipeline

    def load(self, pictures: Pictures) -> Tensor:
        """Pictures as the model wants them.

        Args:
            pictures: One, or several; what is loaded already stays.

        Returns:
            ``(B, C, H, W)``, normalised, on the model's device.

        Raises:
            FileNotFoundError: If a folder has no pictures.
            UnreadablePictureError: If a file is no picture.
            TypeError: For what is no picture at all.
            ValueError: For no pictures, one without pixels, or an array of
                other channels.
        """
        if isinstance(pictures, Tensor):
            if pictures.ndim != 4:
                raise ValueError(
                    f'a tensor of shape {tuple(pictures.shape)}: expected '
                    '(B, C, H, W), as load() gives it'
                )
            return pictures
        single = one_by_one(pictures)
        if not single:
            raise ValueError('no pictures')
        read = (read_picture(picture, self.loading) for picture in single)
        packed = [self.pipeline(results)['inputs'] for results in read]
        return self.normalise(torch.stack(packed))

    def normalise(self, packed: Tensor) -> Tensor:
        """Packed pictures ``(B, C, H, W)`` as :meth:`load` has them."""
        # mmpretrain's preprocessor wants two values.
        batch = dict(inputs=packed, data_samples=None)
        return self.model.data_preprocessor(batch, False)['inputs']

    @torch.no_grad()
    def features(
        self,
        pictures: Pictures,
        names: str | Sequence[str] | None = None,
    ) -> dict[str, Tensor]:
        """Features of pictures, :data:`BATCH_SIZE` at a time.

        Args:
            pictures: See :meth:`load`.
            names: Which, one or several; ``patches`` is ``(B, L, C)``. None
                is all that are ``(B, C)``.

        Returns:
            By name, on the CPU, fp32.

        Raises:
            ValueError: If the model has no such features, or see
                :meth:`load`.
        """
        if isinstance(names, str):
            names = [names]
        if not isinstance(pictures, Tensor):
            pictures = one_by_one(pictures)
        parts = [
            self._encode(self.load(pictures[i : i + BATCH_SIZE]), names)
            for i in range(0, max(1, len(pictures)), BATCH_SIZE)
        ]
        return {k: torch.cat([part[k] for part in parts]) for k in parts[0]}

    def _encode(
        self, inputs: Tensor, names: Sequence[str] | None
    ) -> dict[str, Tensor]:
        """See :meth:`features`, of one batch."""
        # Patches alone are encoded once.
        alone = names is not None and [*names] == ['patches']
        found = {} if alone else dict(features_of(self.model, inputs))
        if names is not None:
            if 'patches' in names:
                found['patches'] = patch_features_of(self.model, inputs)
            if missing := [name for name in names if name not in found]:
                raise ValueError(
                    f'{type(self.model).__name__} has the features '
                    f'{", ".join(found)}, and no {", ".join(missing)}'
                )
            found = {name: found[name] for name in names}
        return {name: value.float().cpu() for name, value in found.items()}

    @torch.no_grad()
    def attention(self, pictures: Pictures) -> Tensor:
        """CLS attention to the patches of pictures, ``(B, L)``.

        Raises:
            ValueError: If the method has none.
        """
        if not isinstance(self.model, MaskedMethod):
            raise self._lacks('attention scores')
        return self.model.attention(self.load(pictures))

    def explain(
        self,
        pictures: Pictures,
        seed: int = 0,
        mask: Tensor | Sequence[Sequence[int]] | None = None,
    ) -> Explanation:
        """Attention, mask and, where pixels are predicted, reconstruction.

        Args:
            pictures: See :meth:`load`.
            seed: Seed of the masks.
            mask: ``(B, L)``, 1 = masked: one that you have painted.

        Raises:
            ValueError: If the method hides nothing, or the mask is of another
                shape.
        """
        if not isinstance(self.model, MaskedMethod):
            raise self._lacks('masks')
        inputs = self.load(pictures)
        if mask is not None:
            mask = torch.as_tensor(mask)
            wanted = len(inputs), self.model.num_patches
            if mask.shape != wanted:
                raise ValueError(
                    f'a mask of shape {tuple(mask.shape)}: expected (B, L), '
                    f'here {wanted}'
                )
        return self.model.explain(inputs, seed, mask)

    def _lacks(self, what: str) -> ValueError:
        return ValueError(f'{type(self.model).__name__} has no {what}')
