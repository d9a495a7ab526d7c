"""FLOPs of a step, counted from the sizes of its matrix products.

A multiply-add is two FLOPs. ``torch.utils.flop_counter`` does not know the
fused attention of a CPU, so what it counts there is too little.
"""

from dataclasses import dataclass
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from .contenders import Contender


@dataclass(frozen=True)
class LayerSize:
    """A transformer layer: its width and that of its FFN."""

    width: int
    hidden: int

    def flops(self, tokens: int, outputs: int | None = None) -> int:
        """Forward FLOPs for one picture.

        Args:
            tokens: Tokens that are attended to.
            outputs: Tokens that are computed; None is all of them.
        """
        outputs = tokens if outputs is None else outputs
        projections = (2 * outputs + 2 * tokens) * self.width**2
        attention = 2 * outputs * tokens * self.width
        return 2 * (
            projections + attention + 2 * outputs * self.width * self.hidden
        )


def layer_size(layer: Any) -> LayerSize:
    """The size of one of mmpretrain's transformer layers."""
    return LayerSize(layer.embed_dims, layer.ffn.layers[0][0].out_features)


def step_flops(name: str, model: Any) -> dict[str, int]:
    """FLOPs of one training step for one picture, by part.

    Args:
        name: The contender.
        model: Its exact ccMIM, fast ccMIM or MAE; the transcription counts
            by the exact one's sizes and mmpretrain's MAE by those of ours.

    Returns:
        Forward FLOPs of ``score``, ``visible``, ``masked``, ``decoder`` and
        ``align``, and ``backward`` of them all.
    """
    whole = name in ('plain', 'mmpretrain_mae')
    backbone, neck = model.backbone, model.neck
    encoder = layer_size(backbone.layers[0])
    decoder = layer_size(neck.decoder_blocks[0])
    depth, inner_depth = len(backbone.layers), len(neck.decoder_blocks)
    patches = model.num_patches
    visible = model.mask_sampler.num_visible(patches)
    masked = patches - visible
    width, inner = encoder.width, decoder.width
    pixels = neck.decoder_pred.out_features

    parts = dict(score=0, masked=0, align=0)
    embed = 2 * patches * width * pixels
    parts['visible'] = embed + depth * encoder.flops(visible + 1)
    last = None if whole else masked
    predicted = patches + 1 if whole else masked
    parts['decoder'] = (
        2 * (visible + 1) * width * inner
        + (inner_depth - 1) * decoder.flops(patches + 1)
        + decoder.flops(patches + 1, last)
        + 2 * predicted * inner * pixels
    )
    if model.mask_sampler.needs_scores:
        full = encoder.flops(patches + 1)
        row = 2 * (patches + 2) * width**2 + 2 * (patches + 1) * width
        scored = backbone.score_layers
        parts['score'] = depth * full if whole else (scored - 1) * full + row
    projector = 0
    if model.align_head is not None:
        read = (model.align_patches or masked) + 1
        parts['masked'] = (depth - 1) * encoder.flops(read)
        parts['masked'] += encoder.flops(read, None if whole else 1)
        projector = 2 * sum(
            p.numel() for p in model.align_head.parameters() if p.ndim == 2
        )
        parts['align'] = 2 * projector
    # Twice the forward of what has a graph, but for pixels' gradients.
    trained = parts['visible'] + parts['decoder'] + projector
    if model.masked_grad:
        trained += parts['masked'] + projector
    parts['backward'] = 2 * trained - embed
    return parts


def counted_flops(contender: Contender) -> int:
    """FLOPs of one step of the whole batch, by torch's own counter."""
    with FlopCounterMode(display=False) as counter:
        contender.forward().backward()
    contender.optimizer.zero_grad()
    return counter.get_total_flops()
