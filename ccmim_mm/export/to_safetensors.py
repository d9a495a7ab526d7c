"""The encoder alone by this project's names, a file of safetensors."""

from pathlib import Path

from torch import Tensor

from ..checkpoints import read_weights
from ..encoders import Pixels, Source, build_network
from .facts import Facts
from .target import (
    Target,
    features,
    largest_difference,
    parts_of,
    write_told,
)

_USE = """\
```python
from safetensors.torch import load_file

state = load_file('{name}')  # mmpretrain's names, behind `backbone.`
```

In a config of OpenMMLab:
`init_cfg=dict(type='Pretrained', checkpoint='{name}', prefix='backbone.')`,
with `ccmim_mm` imported, which reads such files; and wherever ccmim_mm takes
a checkpoint. The same facts are in the file, as `ccmim_mm` of its metadata."""


class ToSafetensors(Target):
    """Any encoder, for this project and mmpretrain."""

    what = "the encoder alone, by this project's and mmpretrain's names"
    library = 'mmpretrain'
    compares_with = ('safetensors', 'mmpretrain')
    suffix = '.safetensors'

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        return _USE.format(name=name)

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Write the encoder's parameters, and its heads."""
        write_told(place, parts_of(source, self.keeps), source, facts)

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Build the encoder anew, of what the file says, and compare."""
        shape, cfg = source.shape, source.cfg
        if shape and not shape.of_clip:
            cfg = None
        grid = shape and shape.grid
        found = build_network(read_weights(place), cfg, grid)(inputs)
        return largest_difference(features(source, inputs), found)
