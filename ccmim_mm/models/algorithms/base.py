"""What engine, checkpoints, evaluation and pictures may know of a method."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from mmengine.model import BaseAveragedModel
from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor

from ...grids import grid_of
from .colours import in_colours
from .pooling import patches_in, pool


class Curve(NamedTuple):
    """One plot of a run.

    Attributes:
        title: Over the plot.
        unit: At its axis.
        names: The logged values that it shows.
    """

    title: str
    unit: str
    names: tuple[str, ...]


class PretrainMethod(BaseSelfSupervisor):
    """A pre-training algorithm, as the rest of the project sees it.

    A subclass writes ``loss``; everything below has an answer already that
    serves most methods. Takes the parent's arguments.
    """

    #: Prefixes of parameters that start fresh where a checkpoint has none.
    may_be_new: ClassVar[tuple[str, ...]] = ('neck.', 'head.')
    #: Of those the ones that a new run leaves in the checkpoint.
    starts_anew: ClassVar[tuple[str, ...]] = ()
    #: Whether a forward pass changes nothing, so that several may make up a
    #: step; False with an average or a queue that moves in each.
    may_accumulate: ClassVar[bool] = True
    #: Pictures of a training sample: views of one, or a pair.
    views: ClassVar[int] = 1
    #: The logged spread of the projections, 0 where all are alike and 1
    #: where they fill the sphere; its fall is a collapse. None has none.
    spread_value: ClassVar[str | None] = None
    #: The logged share of own pictures that the contrast finds, in [0, 1].
    accuracy_value: ClassVar[str | None] = None
    #: What ``curves.png`` shows, beside the learning rate.
    curves: ClassVar[tuple[Curve, ...]] = (Curve('loss', '', ('loss',)),)

    def features(self, inputs: Tensor) -> dict[str, Tensor]:
        """Features of whole pictures to judge the encoder by.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.

        Returns:
            ``(B, C)`` each, by a name.
        """
        return pool(self.extract_feat(inputs))

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch that the method cannot learn from.

        Args:
            batch_size: Pictures per process.

        Raises:
            ValueError: Naming what to set.
        """

    def check_last_batch(self, batch_size: int) -> None:
        """Refuse a smaller batch at an epoch's end, see :meth:`check_batch`.

        Args:
            batch_size: Its pictures per process.

        Raises:
            ValueError: Naming what to set.
        """
        try:
            self.check_batch(batch_size)
        except ValueError:
            # It names the size of the others.
            raise ValueError(
                f'an epoch ends with a batch of {batch_size} per process, of '
                f'which {type(self).__name__} cannot learn: set '
                'train_dataloader.drop_last=True'
            ) from None

    def before_training(self, trust: bool = False) -> None:
        """Read what training needs beside the data, before it begins.

        Args:
            trust: Let files run code.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If it does not fit, naming what to set.
        """

    def check_resume(
        self, state: Mapping[str, Tensor], settings: Mapping[str, str]
    ) -> None:
        """Refuse to go on from a run that was another.

        Args:
            state: The checkpoint's parameters.
            settings: Of its config, by dotted names, printed.

        Raises:
            ValueError: Naming what would work.
        """

    def recount(self, before: int, now: int, batch_size: int) -> None:
        """Go on from a checkpoint as if its batches had been of this size.

        Asked for on every resume, when all else is loaded. Here the averages
        among the parts count their updates anew, as a momentum that follows
        a schedule goes by their number.

        Args:
            before: Iterations that led to the checkpoint, as it counts them.
            now: As many as lead there with what a step has now.
            batch_size: Pictures per process, now.
        """
        if before in (0, now):
            return
        for part in self.modules():
            if isinstance(part, BaseAveragedModel):
                # Up, as at 0 an average would begin anew.
                part.steps.mul_(now).add_(before - 1).floor_divide_(before)

    def facts(self) -> dict[str, str]:
        """What all processes must have alike beside the config, by names.

        Asked for after :meth:`before_training`, and compared.
        """
        return {}

    @property
    def starts_from(self) -> str | None:
        """What a new run's weights come from by itself; None: nothing."""
        return None

    def num_keys(self, pictures: int) -> int:
        """How many keys the logged accuracy chooses from.

        Args:
            pictures: Pictures of a step, of all processes.
        """
        return pictures

    @torch.no_grad()
    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """What there is to see, by title; nothing if there is nothing.

        Here the ``features`` of the patches in colours, if there are any
        that fill the pictures.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            seed: Of what is random in it.

        Returns:
            Pictures in the range of ``inputs``, ``(B, C, H, W)``; colours in
            [-2, 2], ``(B, 3, H, W)``; or a value a patch, ``(B, L)``.
        """
        patches = patches_in(self.extract_feat(inputs))
        size = inputs.shape[-2:]
        if patches is None or grid_of(patches.shape[1], size) is None:
            return {}
        return in_colours(inputs, dict(features=patches))

    def branch_latents(self, inputs: Tensor) -> tuple[Tensor, Tensor] | None:
        """What branches make of mixtures of two pictures.

        Args:
            inputs: Normalised mixtures, or single pictures, ``(B, C, H,
                W)``.

        Returns:
            Patch latents of the picture with the smaller weight, and of the
            one with the larger, ``(B, L, D)`` each; both in the space of
            the second for a single picture, which they are judged against.
            None if the method has no branches.
        """
        return None


def features_of(model: Any, inputs: Tensor) -> dict[str, Tensor]:
    """Features of whole pictures, from any model of mmpretrain.

    Args:
        model: A method of this project, or any with ``extract_feat``.
        inputs: Normalised pictures, ``(B, C, H, W)``.

    Returns:
        See :func:`pool`.
    """
    if isinstance(model, PretrainMethod):
        return model.features(inputs)
    return pool(model.extract_feat(inputs))


def patch_features_of(model: Any, inputs: Tensor) -> Tensor:
    """Features of every patch, ``(B, L, C)``, in raster order.

    Args:
        model: See :func:`features_of`.
        inputs: Normalised pictures, ``(B, C, H, W)``.

    Raises:
        ValueError: If the model has one vector a picture.
    """
    patches = patches_in(model.extract_feat(inputs))
    if patches is None:
        raise ValueError(
            f'{type(model).__name__} gives one vector a picture and none a '
            'patch'
        )
    return patches


def branch_latents_of(
    model: Any, inputs: Tensor
) -> tuple[Tensor, Tensor] | None:
    """What a model's branches make of mixtures, from any of mmpretrain.

    Args:
        model: See :func:`features_of`.
        inputs: Normalised mixtures, ``(B, C, H, W)``.

    Returns:
        See :meth:`PretrainMethod.branch_latents`.
    """
    if isinstance(model, PretrainMethod):
        return model.branch_latents(inputs)
    return None
