"""A program of ``torch.export``, which needs nothing but torch."""

import warnings
from pathlib import Path
from typing import Any

import torch
from mmpretrain.models import VisionTransformer
from torch import Tensor
from torch.export import Dim, ExportedProgram

from ..encoders import Pixels, Source
from .facts import Facts
from .target import Target, features, largest_difference

#: The file within the program that has what is known of the weights.
FACTS = 'ccmim_mm.json'
_USE = """\
```python
import torch

program = torch.export.load('{name}')
encode = program.module()
features = encode(inputs)  # {returns}
```

Any number of pictures at a time. The same facts are in the file, as
`extra_files['ccmim_mm.json']` of `torch.export.load`."""


class ToProgram(Target):
    """Any encoder, for torch without this project."""

    what = 'a program of torch.export, any encoder'
    library = 'pytorch'
    compares_with = ('torch',)
    suffix = '.pt2'

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        return _USE.format(name=name, returns=returns(source))

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Trace the encoder and write it."""
        program = traced(source, pixels)
        torch.export.save(program, place, extra_files={FACTS: facts.dump()})

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Compare what it returns."""
        with warnings.catch_warnings():
            # Of a buffer that torch itself has read, and never writes to.
            warnings.simplefilter('ignore', UserWarning)
            module = torch.export.load(place).module()
        with torch.no_grad():
            found = module(inputs)
        return largest_difference(features(source, inputs), found)


def traced(source: Source, pixels: Pixels) -> ExportedProgram:
    """The encoder as a graph, for any number of pictures.

    Args:
        source: The checkpoint.
        pixels: How large they are.
    """
    shape = len(pixels.mean), *pixels.size
    batch = Dim('batch', min=1)
    with torch.no_grad():
        return torch.export.export(
            source.network,
            # One picture alone would be taken for the only number.
            (torch.zeros(2, *shape),),
            dynamic_shapes={'pixel_values': {0: batch}},
        )


def returns(source: Source) -> str:
    """What the encoder gives, in half a line."""
    backbone: Any = source.network.backbone
    if not isinstance(backbone, VisionTransformer):
        return '(B, D, h, w), the last map'
    tokens, width = backbone.pos_embed.shape[1:]
    first = ', CLS first' if backbone.num_extra_tokens else ''
    norm = 'after the norm' if backbone.final_norm else 'before any norm'
    return f'(B, {tokens}, {width}){first}, {norm}'
