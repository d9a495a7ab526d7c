"""A folder for timm, as its ``local-dir:`` reads."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import convert
from ..encoders import Pixels, Source
from ..grids import as_size
from ..models.plain_vit import Shape
from .facts import Facts
from .target import (
    Target,
    features,
    largest_difference,
    parts_of,
    plain_vit,
    write_told,
)
from .to_hf import write_json

#: timm's plain ViTs by width, layers and heads; others are the base's, with
#: their own sizes as arguments.
_NAMES = {
    (192, 12, 3): 'vit_tiny_patch16_224',
    (384, 12, 6): 'vit_small_patch16_224',
    (768, 12, 12): 'vit_base_patch16_224',
    (1024, 24, 16): 'vit_large_patch16_224',
    # There is none of 14 pixels in 224: the arguments say so.
    (1280, 32, 16): 'vit_huge_patch14_224',
}
#: What timm's norms add to the variance, which no argument in a file changes.
_EPS = 1e-6
_USE = """\
```python
import timm

# Also num_classes=7, features_only=True, img_size={other}.
model = timm.create_model('local-dir:{name}', pretrained=True).eval()
data = timm.data.resolve_model_data_config(model)
transform = timm.data.create_transform(**data, is_training=False)
tokens = model.forward_features(transform(picture)[None])
tokens  # (1, {tokens}, {width}), CLS first
```"""


#: No transform of timm reads other channels than RGB.
_USE_CHANNELS = """\
```python
import timm

# Also num_classes=7, features_only=True, img_size={other}.
model = timm.create_model('local-dir:{name}', pretrained=True).eval()
tokens = model.forward_features(inputs)  # as below
tokens  # (B, {tokens}, {width}), CLS first
```"""


class ToTimm(Target):
    """A folder, as a file alone cannot be loaded at another size."""

    what = 'a folder for timm: local-dir:OUT'
    library = 'timm'
    compares_with = ('timm',)

    def check(self, source: Source) -> None:
        """Refuse what is no plain ViT, or has other norms than timm's."""
        if (eps := plain_vit(source).eps) != _EPS:
            raise ValueError(
                f'the norms of {source.path} add {eps}, and those of timm '
                f'{_EPS}: --to hf, onnx and pt2 carry that along'
            )

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        shape = plain_vit(source)
        return (
            _USE if shape.channels == len('RGB') else _USE_CHANNELS
        ).format(
            name=name,
            tokens=shape.tokens,
            width=shape.width,
            other=shape.size[0] * 3 // 2 // shape.patch * shape.patch,
        )

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Weights, and the config that makes a model of them."""
        encoder = parts_of(source, self.keeps)
        state = convert(encoder, 'project', 'timm').state
        write_told(place / 'model.safetensors', state, source, facts)
        shape = plain_vit(source)
        write_json(place / 'config.json', config(shape, pixels, facts))

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Compare the tokens behind the final norm."""
        import timm

        model = timm.create_model(f'local-dir:{place}', pretrained=True)
        with torch.no_grad():
            found = model.eval().forward_features(inputs)
        return largest_difference(features(source, inputs), found)


def config(shape: Shape, pixels: Pixels, facts: Facts) -> dict[str, Any]:
    """``config.json`` of a timm folder."""
    key = shape.width, shape.layers, shape.heads
    name = _NAMES.get(key, 'vit_base_patch16_224')
    size = [shape.channels, *shape.size]
    return dict(
        architecture=name,
        num_classes=0,
        num_features=shape.width,
        global_pool='token',
        model_args=dict(
            img_size=as_size(shape.size),
            patch_size=shape.patch,
            in_chans=shape.channels,
            embed_dim=shape.width,
            depth=shape.layers,
            num_heads=shape.heads,
            mlp_ratio=shape.hidden / shape.width,
        ),
        pretrained_cfg=dict(
            tag='ccmim_mm',
            input_size=size,
            fixed_input_size=True,
            interpolation='bicubic',
            crop_pct=shape.size[0] / pixels.resize[0],
            crop_mode='center',
            mean=list(pixels.mean),
            std=list(pixels.std),
            num_classes=0,
            pool_size=None,
            first_conv='patch_embed.proj',
            classifier='head',
            license=facts.licence,
        ),
    )
