"""A checkpoint whose encoder is wanted, and what no tensor of it tells."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from .heads import USUAL_HEADS
from .momentum import apart
from .read import read_told, renamed


class Weights(NamedTuple):
    """A checkpoint with one encoder, of the two of a momentum method either.

    Attributes:
        state: By this project's names, ``backbone.`` in front of the
            encoder's.
        heads: What is known of attention heads, by modules.
        form: The format it came in, or is said to have come in.
        averaged: Whether the file has a momentum encoder by this project's
            names, as mmpretrain's MoCo v3 does.
        beside: What else it holds, by its own names; what a momentum encoder
            is the average of, behind ``trained.``.
        epoch: Epochs that it was trained for; None if it does not tell.
        iteration: Likewise.
    """

    state: dict[str, Tensor]
    heads: dict[str, int]
    form: str
    averaged: bool = False
    beside: dict[str, Tensor] = {}
    epoch: int | None = None
    iteration: int | None = None

    @property
    def num_heads(self) -> int | None:
        """Heads of a plain ViT's layer: known, or the usual of its width.

        None if that were a guess: of other widths, and of MoCo v3, whose
        ViT-S has 12 where others have 6, without a word on its own.
        """
        width = self.state['backbone.cls_token'].shape[-1]
        unsure = self.form == 'mocov3' or (self.averaged and width == 384)
        usual = None if unsure else USUAL_HEADS.get(width)
        return self.heads.get('backbone.layers.0.attn', usual)

    @property
    def of_clip(self) -> bool:
        """Whether it is CLIP's, also where only the norm in front tells."""
        in_front = 'backbone.pre_norm.weight' in self.state
        return in_front or self.form == 'clip_visual'

    def digest(self, *more: str) -> bytes:
        """SHA-256 of the encoder's names and numbers.

        Args:
            more: Prefixes of names of what else counts.
        """
        found = hashlib.sha256()
        for name in sorted(self.state):
            if name.startswith(('backbone.', *more)):
                value = self.state[name].detach().cpu().contiguous()
                found.update(f'{name} {tuple(value.shape)}'.encode())
                found.update(value.float().numpy().tobytes())
        return found.digest()


def read_weights(
    path: str | Path, encoder: str = 'online', trust: bool = False
) -> Weights:
    """Read a checkpoint of any known format for its encoder.

    Args:
        path: The file, see :func:`read_state_dict`.
        encoder: ``online``, the one that was trained, or ``momentum``.
        trust: Let the file run code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, is of no known format, or
            holds no such encoder.
    """
    told = read_told(path, trust)
    averaged = any(n.startswith('momentum_encoder.') for n in told.state)
    beside: dict[str, Tensor] = {}
    if encoder == 'momentum':
        try:
            average, beside = apart(told.state)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
        told = told._replace(state=average)
    (state, heads, form), left_out = renamed(told, path)
    return Weights(
        state,
        heads,
        form,
        averaged,
        beside | left_out,
        told.epoch,
        told.iteration,
    )
