"""The network of a teacher, made by what its checkpoint holds."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmpretrain.models import VisionTransformer
from torch import Tensor

from ...checkpoints import (
    convert,
    detect_format,
    momentum_encoder,
    read_with_heads,
)
from ...checkpoints.load import load
from ...checkpoints.match import INTO_BACKBONE
from ...grids import Size, as_pair

#: Heads of the usual sizes, by width. They are 64 wide but in ViT-H.
USUAL_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}
_LAYER = re.compile(r'backbone\.layers\.(\d+)\.ln1\.weight')
#: What has timm's names where only the encoder was saved.
_LIKE_TIMM = ('ccmim', 'mae', 'dino', 'mocov3')


class Weights(NamedTuple):
    """A teacher's parameters.

    Attributes:
        state: By this project's names.
        heads: What the file tells of attention heads.
        form: The format it came in, or is said to have come in.
        averaged: Whether the file has a momentum encoder by this project's
            names, as mmpretrain's MoCo v3 does.
    """

    state: dict[str, Tensor]
    heads: dict[str, int]
    form: str
    averaged: bool = False

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return sum(bool(_LAYER.fullmatch(name)) for name in self.state)

    def digest(self, *more: str) -> bytes:
        """SHA-256 of the encoder's names and numbers.

        Args:
            more: Prefixes of names of what else is the teacher's.
        """
        found = hashlib.sha256()
        for name in sorted(self.state):
            if name.startswith(('backbone.', *more)):
                value = self.state[name].detach().cpu().contiguous()
                found.update(f'{name} {tuple(value.shape)}'.encode())
                found.update(value.float().numpy().tobytes())
        return found.digest()


def read_weights(
    path: str | Path, kind: str, trust: bool, encoder: str = 'online'
) -> Weights:
    """Read a teacher's checkpoint.

    Args:
        path: The file.
        kind: The format that it is said to have; ``auto`` believes its
            names.
        trust: Let the file run code.
        encoder: ``online``, the one that was trained, or ``momentum``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, is of another format, or
            holds no plain ViT or no such encoder.
    """
    state, heads = read_with_heads(path, trust)
    try:
        form = detect_format(state)
        said = 'project' if kind == 'mmpretrain' else kind
        alike = form == 'timm' and said in _LIKE_TIMM
        if said not in ('auto', form) and not alike:
            raise ValueError(
                f'it has the names of {form}, and model.teacher.kind says '
                f'{kind}: leave kind out'
            )
        averaged = any(n.startswith('momentum_encoder.') for n in state)
        if encoder == 'momentum':
            state = momentum_encoder(state)
        state = convert(state, form, 'project').state
        return Weights(state, heads, said if alike else form, averaged)
    except ValueError as error:
        raise ValueError(f'the teacher {path}: {error}') from None


def build_encoder(
    weights: Weights,
    grid: Size,
    layer: int = -1,
    final_norm: bool = False,
    heads: int | None = None,
    norm_eps: float | None = None,
    quick_gelu: bool | None = None,
) -> VisionTransformer:
    """A ViT of the weights' own size, with them, for another grid perhaps.

    Args:
        weights: The weights.
        grid: Rows and columns of patches that it will see; its table of
            positions is interpolated to it (bicubic).
        layer: The last layer to run, from 0, or from -1 backwards.
        final_norm: Apply the norm behind the last layer.
        heads: Attention heads; None takes what the file tells, or the usual
            number of its width.
        norm_eps: Of the norms; None is 1e-5 for CLIP and 1e-6 for others.
        quick_gelu: CLIP's ``x * sigmoid(1.702 x)`` for GELU; None is
            CLIP's alone.

    Raises:
        ValueError: If the heads cannot be known, the layer does not exist,
            or a tensor of the encoder is of no use.
    """
    state, told, form, averaged = weights
    clip = form == 'clip_visual'
    projection = state['backbone.patch_embed.projection.weight']
    width, channels, patch, _ = projection.shape
    hidden = len(state['backbone.layers.0.ffn.layers.0.0.weight'])
    depth = weights.layers
    if not -depth <= layer < depth:
        raise ValueError(f'model.teacher.layer={layer}: it has {depth} layers')
    if heads is None:
        # mmpretrain's MoCo v3 has this project's names.
        moco = form == 'mocov3' or (averaged and width == 384)
        heads = told.get('backbone.layers.0.attn') or _usual(width, moco)
    if width % heads:
        raise ValueError(f'its {width} channels are not divisible by {heads}')
    quick = clip if quick_gelu is None else quick_gelu
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        network = VisionTransformer(
            arch=dict(
                embed_dims=width,
                num_layers=depth,
                num_heads=heads,
                feedforward_channels=hidden,
            ),
            img_size=[count * patch for count in as_pair(grid)],
            patch_size=patch,
            in_channels=channels,
            out_type='raw',
            norm_cfg=dict(type='LN', eps=norm_eps or (1e-5 if clip else 1e-6)),
            layer_cfgs=dict(
                act_cfg=dict(type='mmpretrain.QuickGELU' if quick else 'GELU')
            ),
            pre_norm='backbone.pre_norm.weight' in state,
        )
    policy = INTO_BACKBONE._replace(
        what="of the teacher's tensors",
        new=re.compile(r'(?!)'),
        unused=re.compile(r'mask_token'),
        remedy='',
    )
    account = load(network, state, policy, heads=told)
    print_log(f'teacher of {heads} heads ({form} names): {account}', 'current')
    stop = layer % depth + 1
    # What nobody reads is not computed.
    del network.layers[stop:]
    network.out_indices = [stop - 1]
    network.final_norm = final_norm
    return network


def random_weights(
    arch: dict, patch_size: int, grid: Size, channels: int = 3
) -> Weights:
    """A teacher that has learnt nothing, the same every time: a control.

    Args:
        arch: See :class:`mmpretrain.models.VisionTransformer`, as a dict.
        patch_size: Side of a patch, in pixels.
        grid: Rows and columns of patches; one number is both.
        channels: Of a picture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VisionTransformer(
            arch,
            [count * patch_size for count in as_pair(grid)],
            patch_size,
            in_channels=channels,
            out_type='raw',
        )
        network.init_weights()
    state = {f'backbone.{n}': v for n, v in network.state_dict().items()}
    heads = {
        f'backbone.layers.{i}.attn': arch['num_heads']
        for i in range(arch['num_layers'])
    }
    return Weights(state, heads, 'random')


def _usual(width: int, moco: bool) -> int:
    """The heads that a file does not tell.

    Args:
        width: Channels.
        moco: It may be MoCo v3's.

    Raises:
        ValueError: If there is more than one answer.
    """
    if moco:
        raise ValueError(
            'MoCo v3 gives ViT-S 12 heads where others have 6, and no shape '
            'tells: set model.teacher.heads (12 for S and B, 16 for L)'
        )
    if width not in USUAL_HEADS:
        raise ValueError(
            f'it does not tell how many attention heads it has, and {width} '
            'channels are no usual width: set model.teacher.heads'
        )
    return USUAL_HEADS[width]
