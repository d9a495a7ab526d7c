"""What a format of another library has to say of itself."""

import json
from abc import ABC, abstractmethod
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ..encoders import Pixels, Source
from ..models.plain_vit import Shape
from .facts import Facts
from .staging import write_weights


class Target(ABC):
    """A format to write in. A subclass is one file of this package."""

    #: What it is, for people.
    what: ClassVar[str]
    #: The card's ``library_name``.
    library: ClassVar[str]
    #: Packages that the comparison imports, as they are imported.
    compares_with: ClassVar[tuple[str, ...]]
    #: Those without which nothing can be written.
    needs: ClassVar[tuple[str, ...]] = ()
    #: The name of its file ends so; None is a folder.
    suffix: ClassVar[str | None] = None
    #: What its arithmetic may differ by, over the largest feature. Another
    #: GELU differs by 1e-4, norms that add 1e-5 for 1e-6 by 1e-5.
    tolerance: ClassVar[float] = 1e-5
    #: Prefixes of the parameters that go along.
    keeps: ClassVar[tuple[str, ...]] = ('backbone.',)

    def check(self, source: Source) -> None:  # noqa: B027
        """Refuse what has no place in the format, before anything is written.

        Raises:
            ValueError: Naming the format that has one.
        """

    @abstractmethod
    def use(self, source: Source, name: str) -> str:
        """How to load it, Markdown.

        Args:
            source: The checkpoint.
            name: Of the file or folder.
        """

    @abstractmethod
    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Write it, the card apart.

        Args:
            source: The checkpoint.
            facts: What is known of it.
            pixels: How its pictures are made.
            place: The file, or a folder that exists and is empty.
        """

    @abstractmethod
    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Load what was written, with the other library, and run both.

        Args:
            source: The checkpoint.
            inputs: Normalised pictures, ``(B, C, H, W)``.
            place: What was written.

        Returns:
            The largest difference of any feature.

        Raises:
            ValueError: If the library misses a tensor, or has one too many.
        """


def parts_of(source: Source, keeps: tuple[str, ...]) -> dict[str, Tensor]:
    """The parameters that go along, by this project's names.

    The token of masked patches has no use where nothing is masked.
    """
    return {
        name: value
        for name, value in source.state.items()
        if name.startswith(keeps) and name != 'backbone.mask_token'
    }


def write_told(
    path: Path,
    state: dict[str, Tensor],
    source: Source,
    facts: Facts,
    keeps: tuple[str, ...] = ('backbone.',),
) -> None:
    """Write safetensors with the facts, and the heads that no shape tells.

    Args:
        path: The file.
        state: Parameters by the format's names.
        source: The checkpoint.
        facts: What is known of it.
        keeps: Prefixes of the parameters that go along.
    """
    heads = {n: c for n, c in source.heads.items() if n.startswith(keeps)}
    told = dict(ccmim_mm=facts.dump())
    if heads:
        told['heads'] = json.dumps(heads)
    write_weights(path, state, told)


def plain_vit(source: Source) -> Shape:
    """The sizes of the checkpoint's plain ViT.

    Raises:
        ValueError: If it is another network.
    """
    if source.shape is None:
        kind = type(source.network.backbone).__name__
        raise ValueError(
            f'{source.path} holds a {kind} and no plain ViT with CLS token '
            'and final norm: --to onnx and --to pt2 write any encoder'
        )
    if source.shape.of_clip:
        raise ValueError(
            f"{source.path} has CLIP's norm in front (pre_norm) or QuickGELU, "
            'which the format has no place for: --to onnx, pt2 and '
            'safetensors carry them along'
        )
    return source.shape


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Of two results, compared as they are.

    Raises:
        ValueError: If their shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(
            f'{tuple(other.shape)} came back for {tuple(one.shape)}'
        )
    return float((one - other).abs().max())


@torch.no_grad()
def features(source: Source, inputs: Tensor) -> Tensor:
    """What this project's encoder makes of pictures."""
    return source.network(inputs)


def absent(packages: tuple[str, ...]) -> list[str]:
    """Those of some packages that are not installed."""
    return [name for name in packages if find_spec(name) is None]


def versions(packages: tuple[str, ...]) -> str:
    """Names and versions of packages, for people."""
    found = []
    for name in packages:
        try:
            found.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            found.append(name)
    return ', '.join(found)
