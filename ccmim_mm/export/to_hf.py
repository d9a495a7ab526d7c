"""A folder for Hugging Face's transformers: ``ViTModel``."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import convert
from ..encoders import Pixels, Source
from ..grids import as_size
from ..models.plain_vit import Shape
from .facts import Facts
from .staging import write_text
from .target import (
    Target,
    features,
    largest_difference,
    parts_of,
    plain_vit,
    write_told,
)

_USE = """\
```python
from transformers import AutoImageProcessor, AutoModel

processor = AutoImageProcessor.from_pretrained('{name}')
# The pooler is a layer that was never trained.
model = AutoModel.from_pretrained('{name}', add_pooling_layer=False)
inputs = processor(picture, return_tensors='pt')
tokens = model(**inputs).last_hidden_state  # (1, {tokens}, {width}), CLS first
```"""


#: No processor of transformers knows other channels than RGB.
_USE_CHANNELS = """\
```python
from transformers import AutoModel

# The pooler is a layer that was never trained.
model = AutoModel.from_pretrained('{name}', add_pooling_layer=False)
tokens = model(pixel_values=inputs).last_hidden_state  # inputs as below
tokens  # (B, {tokens}, {width}), CLS first
```"""


class ToHuggingFace(Target):
    """Weights by the names of transformers 4, which 5 reads, too."""

    what = 'a folder for transformers: ViTModel'
    library = 'transformers'
    compares_with = ('transformers',)

    def check(self, source: Source) -> None:
        """Refuse what is no plain ViT."""
        plain_vit(source)

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        shape = plain_vit(source)
        rgb = shape.channels == len('RGB')
        return (_USE if rgb else _USE_CHANNELS).format(
            name=name, tokens=shape.tokens, width=shape.width
        )

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Weights, config and how pictures are made."""
        encoder = parts_of(source, self.keeps)
        state = convert(encoder, 'project', 'hf').state
        write_told(place / 'model.safetensors', state, source, facts)
        write_json(place / 'config.json', config(plain_vit(source)))
        if not pixels.stored:
            # Its processors know no other channels.
            write_json(place / 'preprocessor_config.json', processor(pixels))

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Compare the tokens behind the final norm."""
        import transformers

        model = loaded(transformers.ViTModel, place, add_pooling_layer=False)
        with torch.no_grad():
            found = model(pixel_values=inputs).last_hidden_state
        return largest_difference(features(source, inputs), found)


def config(shape: Shape) -> dict[str, Any]:
    """``config.json`` of a ViTModel.

    Every number is said: transformers' own default is another for the norms
    (1e-12), and might change for the rest.
    """
    return dict(
        architectures=['ViTModel'],
        model_type='vit',
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.hidden,
        hidden_act='gelu',
        layer_norm_eps=shape.eps,
        qkv_bias=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.02,
        image_size=as_size(shape.size),
        patch_size=shape.patch,
        num_channels=shape.channels,
        encoder_stride=shape.patch,
        torch_dtype='float32',
    )


def processor(pixels: Pixels) -> dict[str, Any]:
    """``preprocessor_config.json``: resize the shorter side, cut the middle.

    ``ViTImageProcessor`` would squeeze pictures into a square. Into another
    shape it has to: no processor covers two sides.
    """
    height, width = pixels.size
    shape: dict[str, Any] = dict(
        image_processor_type='BitImageProcessor',
        size=dict(shortest_edge=pixels.resize[0]),
        do_center_crop=True,
        crop_size=dict(height=height, width=width),
    )
    if height != width:
        shape = dict(
            image_processor_type='ViTImageProcessor',
            size=dict(height=height, width=width),
        )
    return shape | dict(
        do_convert_rgb=True,
        do_resize=True,
        # PIL's number of bicubic
        resample=3,
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=list(pixels.mean),
        image_std=list(pixels.std),
    )


def loaded(kind: Any, place: Path, **kwargs: Any) -> Any:
    """A model of transformers, of which every tensor was in the folder.

    Args:
        kind: The model's class.
        place: The folder.
        kwargs: Of ``from_pretrained``.

    Raises:
        ValueError: If any was missing, left over or of another shape.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model, told = kind.from_pretrained(
        place, local_files_only=True, output_loading_info=True, **kwargs
    )
    for what in ('missing', 'unexpected', 'mismatched'):
        if names := sorted(map(str, told[f'{what}_keys'])):
            raise ValueError(
                f'transformers {transformers.__version__} finds {len(names)} '
                f'tensors {what}, first {names[0]}'
            )
    return model.eval()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a dict as JSON, whole."""
    write_text(path, json.dumps(content, indent=2) + '\n')
