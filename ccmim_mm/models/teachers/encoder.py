"""The network of a teacher, made by what its checkpoint holds."""

from pathlib import Path

import torch
from mmengine.logging import print_log
from mmpretrain.models import VisionTransformer

from ...checkpoints import Weights, convert, read_weights
from ...checkpoints.heads import USUAL_HEADS, moco_heads
from ...checkpoints.load import load
from ...checkpoints.match import ENCODER
from ...grids import Size, as_pair
from ..plain_vit import build_plain_vit, shape_of

#: What has timm's names where only the encoder was saved.
_LIKE_TIMM = ('ccmim', 'mae', 'dino', 'mocov3')


def read_teacher(
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
    try:
        weights = read_weights(path, encoder, trust)
    except ValueError as error:
        raise ValueError(f'the teacher {error}') from None
    state, heads, form, *_ = weights
    try:
        # Of ours nobody has looked whether it is whole.
        convert(state, 'project', 'project')
    except ValueError as error:
        raise ValueError(f'the teacher {path}: {error}') from None
    said = 'project' if kind == 'mmpretrain' else kind
    if said in ('auto', form):
        return weights
    if form != 'timm' or said not in _LIKE_TIMM:
        raise ValueError(
            f'the teacher {path}: it has the names of {form}, and '
            f'model.teacher.kind says {kind}: leave kind out'
        )
    if said == 'mocov3':
        heads = heads or moco_heads(state)
    return weights._replace(form=said, heads=heads)


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
    shape = shape_of(
        weights, grid, heads or _known_heads(weights), norm_eps, quick_gelu
    )
    if not -shape.layers <= layer < shape.layers:
        raise ValueError(
            f'model.teacher.layer={layer}: it has {shape.layers} layers'
        )
    network = build_plain_vit(shape)
    policy = ENCODER._replace(what="of the teacher's tensors")
    account = load(network, weights.state, policy, heads=weights.heads)
    print_log(
        f'teacher of {shape.heads} heads ({weights.form} names): {account}',
        'current',
    )
    stop = layer % shape.layers + 1
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


def _known_heads(weights: Weights) -> int:
    """The heads that a file tells, or that all of its width have.

    Raises:
        ValueError: If there is more than one answer, or none.
    """
    if (found := weights.num_heads) is not None:
        return found
    width = weights.state['backbone.cls_token'].shape[-1]
    if weights.form == 'mocov3' or width in USUAL_HEADS:
        raise ValueError(
            'MoCo v3 gives ViT-S 12 heads where others have 6, and no shape '
            'tells: set model.teacher.heads (12 for S and B, 16 for L)'
        )
    raise ValueError(
        f'it does not tell how many attention heads it has, and {width} '
        'channels are no usual width: set model.teacher.heads'
    )
