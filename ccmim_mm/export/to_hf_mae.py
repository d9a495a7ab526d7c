"""A folder for transformers: ``ViTMAEForPreTraining``, with the decoder."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import convert
from ..encoders import Pixels, Source
from ..grids import in_words
from ..models.backbones.visible import encode_visible
from ..models.necks import MaskedPretrainDecoder
from .facts import Facts
from .target import (
    Target,
    features,
    largest_difference,
    parts_of,
    plain_vit,
    write_told,
)
from .to_hf import config, loaded, processor, write_json

#: MAE's, which the sampler of most methods here has, too.
_RATIO = 0.75
_BLOCK = re.compile(r'neck\.decoder_blocks\.(\d+)\.ln1\.weight')
_USE = """\
```python
from transformers import AutoImageProcessor, ViTMAEForPreTraining

processor = AutoImageProcessor.from_pretrained('{name}')
model = ViTMAEForPreTraining.from_pretrained('{name}')
inputs = processor(picture, return_tensors='pt')
model(**inputs).logits  # (1, {patches}, {values}): pixels of every patch
```

It hides and shuffles patches in evaluation, too: for features take the
export `--to hf`."""
#: See ``to_hf``.
_USE_CHANNELS = """\
```python
from transformers import ViTMAEForPreTraining

model = ViTMAEForPreTraining.from_pretrained('{name}')
model(inputs).logits  # (B, {patches}, {values}): pixels; inputs as below
```

It hides and shuffles patches in evaluation, too: for features take the
export `--to hf`."""


class ToHuggingFaceMAE(Target):
    """Encoder and decoder, for whoever wants what is predicted."""

    what = 'a folder for transformers: ViTMAEForPreTraining, with the decoder'
    library = 'transformers'
    compares_with = ('transformers',)
    keeps = ('backbone.', 'neck.')

    def check(self, source: Source) -> None:
        """Refuse what is no ViT with a decoder of pixels."""
        shape = plain_vit(source)
        values = shape.patch**2 * shape.channels
        last = source.state.get('neck.decoder_pred.weight')
        first = source.state.get('neck.decoder_embed.weight')
        if last is None or first is None or len(last) != values:
            raise ValueError(
                f'{source.path} has no decoder that predicts the pixels of '
                'patches, as ViTMAE does: --to hf writes the encoder alone'
            )
        if shape.size[0] != shape.size[1]:
            raise ValueError(
                f'{source.path} is for pictures of {in_words(shape.size)} '
                'pixels, and ViTMAE knows squares alone: --to hf writes the '
                'encoder'
            )
        _decoder_heads(source)

    def use(self, source: Source, name: str) -> str:
        """How to load it."""
        shape = plain_vit(source)
        rgb = shape.channels == len('RGB')
        return (_USE if rgb else _USE_CHANNELS).format(
            name=name,
            patches=shape.tokens - 1,
            values=shape.patch**2 * shape.channels,
        )

    def write(
        self, source: Source, facts: Facts, pixels: Pixels, place: Path
    ) -> None:
        """Weights, config and how pictures are made."""
        both = parts_of(source, self.keeps)
        state = convert(both, 'project', 'hf_mae').state
        write_told(
            place / 'model.safetensors', state, source, facts, self.keeps
        )
        model: Any = (source.cfg or {}).get('model') or {}
        ratio = (model.get('mask_sampler') or {}).get('mask_ratio', _RATIO)
        norm_pix = (model.get('head') or {}).get('norm_pix', True)
        sizes = decoder_sizes(source)
        write_json(
            place / 'config.json',
            config(plain_vit(source))
            | dict(
                architectures=['ViTMAEForPreTraining'],
                model_type='vit_mae',
                decoder_hidden_size=sizes['decoder_embed_dim'],
                decoder_num_hidden_layers=sizes['decoder_depth'],
                decoder_num_attention_heads=sizes['decoder_num_heads'],
                decoder_intermediate_size=len(
                    source.state['neck.decoder_blocks.0.ffn.layers.0.0.weight']
                ),
                mask_ratio=ratio,
                norm_pix_loss=norm_pix,
            ),
        )
        if not pixels.stored:
            write_json(place / 'preprocessor_config.json', processor(pixels))

    def compare(self, source: Source, inputs: Tensor, place: Path) -> float:
        """Compare tokens of whole pictures, and pixels behind a mask."""
        import transformers

        model = loaded(transformers.ViTMAEForPreTraining, place)
        shape = plain_vit(source)
        count = shape.tokens - 1
        # In order: nothing is hidden, and nothing shuffled.
        order = torch.arange(count).expand(len(inputs), -1) / count
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(len(inputs), count, generator=generator)
        ratio = model.config.mask_ratio
        model.config.mask_ratio = 0.0
        with torch.no_grad():
            tokens = model.vit(inputs, noise=order).last_hidden_state
            model.config.mask_ratio = ratio
            found = model(inputs, noise=noise).logits
        return max(
            largest_difference(features(source, inputs), tokens),
            largest_difference(predicted(source, inputs, noise, ratio), found),
        )


@torch.no_grad()
def predicted(
    source: Source, inputs: Tensor, noise: Tensor, ratio: float
) -> Tensor:
    """What this project's decoder makes of a part of the patches.

    Args:
        source: The checkpoint.
        inputs: Normalised pictures, ``(B, C, H, W)``.
        noise: ``(B, L)``; the patches of the least are seen.
        ratio: Share of the patches that is hidden.

    Returns:
        ``(B, L, patch * patch * C)``.
    """
    vit: Any = source.network.backbone
    order = noise.argsort(dim=1)
    seen = order[:, : int(noise.shape[1] * (1 - ratio))]
    visible = encode_visible(vit, inputs, seen)
    return decoder_of(source).predict_all(visible, order.argsort(dim=1))


def decoder_sizes(source: Source) -> dict[str, Any]:
    """The decoder's sizes by its arguments; all but heads are its tensors'."""
    state = source.state
    width, embed = state['neck.decoder_embed.weight'].shape
    return dict(
        embed_dim=embed,
        decoder_embed_dim=width,
        decoder_depth=sum(bool(_BLOCK.fullmatch(name)) for name in state),
        decoder_num_heads=_decoder_heads(source),
        num_patches=plain_vit(source).grid,
    )


def decoder_of(source: Source) -> MaskedPretrainDecoder:
    """The decoder, with the checkpoint's weights."""
    shape = plain_vit(source)
    hidden = source.state['neck.decoder_blocks.0.ffn.layers.0.0.weight']
    sizes: dict[str, Any] = decoder_sizes(source)
    decoder = MaskedPretrainDecoder(
        patch_size=shape.patch,
        in_chans=shape.channels,
        mlp_ratio=len(hidden) // sizes['decoder_embed_dim'],
        norm_cfg=dict(type='LN', eps=shape.eps),
        **sizes,
    )
    decoder.load_state_dict(
        {
            name.removeprefix('neck.'): value
            for name, value in source.state.items()
            if name.startswith('neck.')
        }
    )
    return decoder.eval()


def _decoder_heads(source: Source) -> int:
    """The decoder's attention heads, by the checkpoint or the config.

    Raises:
        ValueError: If neither tells.
    """
    told = source.heads.get('neck.decoder_blocks.0.attn')
    neck: Any = ((source.cfg or {}).get('model') or {}).get('neck') or {}
    found = told or neck.get('decoder_num_heads')
    if found is None and neck.get('type', '').endswith('PretrainDecoder'):
        found = 16
    if found is None and source.form in ('mae', 'ccmim'):
        # Of either release, whatever the size.
        found = 16
    if found is None:
        raise ValueError(
            f'{source.path} does not tell how many attention heads its '
            'decoder has: --config names its config, or the work dir of its '
            'run'
        )
    return found
