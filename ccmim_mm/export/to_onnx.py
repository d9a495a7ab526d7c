"""An ONNX model, pictures to tokens."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from ..encoders import Pixels, Source
from .facts import Facts
from .target import Target, features, largest_difference
from .to_pt2 import returns, traced

OPSET = 20
INPUT, OUTPUT = 'pixel_values', 'last_hidden_state'
_USE = """\
```python
import onnxruntime

session = onnxruntime.InferenceSession('{name}')
(features,) = session.run(None, {{'pixel_values': inputs}})
features  # {returns}
```

`inputs` is float32, any number of pictures at a time. The same facts are in
the file, as `ccmim_mm` of its metadata."""


class ToONNX(Target):
    """Any encoder, opset 20, for any number of pictures."""

    what = 'an ONNX model, opset 20, any encoder'
    library = 'onnx'
    compares_with = ('onnxruntime',)
    needs = ('onnx', 'onnxscript')
    suffix = '.onnx'
    # Kernels of its own.
    tolerance = 1e-4

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        return _USE.format(name=name, returns=returns(source))

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Trace the encoder and write it; above 2 GB, weights beside it."""
        with warnings.catch_warnings():
            # Of what its own parts have deprecated.
            warnings.simplefilter('ignore', FutureWarning)
            program = torch.onnx.export(
                traced(source, pixels),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
        if program is None:
            raise ValueError('torch.onnx.export has made no program')
        program.model.metadata_props['ccmim_mm'] = facts.dump()
        program.save(place)

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Compare what it returns."""
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(place), providers=['CPUExecutionProvider']
        )
        (found,) = session.run([OUTPUT], {INPUT: inputs.numpy()})
        return largest_difference(
            features(source, inputs), torch.from_numpy(found)
        )
