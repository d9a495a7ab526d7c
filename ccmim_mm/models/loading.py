"""Checkpoints into methods and other models."""

import copy
import re
from typing import Any

from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor, nn

from ..checkpoints.account import Account
from ..checkpoints.load import load
from ..checkpoints.match import INTO_BACKBONE, PARTIAL, TO_TEST, Policy
from .algorithms.base import PretrainMethod


def load_pretrained(
    model: Any,
    state: dict[str, Tensor],
    allow_partial: bool = False,
    heads: dict[str, int] = {},
    remedy: str = PARTIAL,
) -> Account:
    """Start a model from a pre-trained checkpoint.

    All that fits goes into a pre-training method, whose ``may_be_new`` says
    what the checkpoint may lack and ``starts_anew`` what is left in it, and
    the encoder into the backbone of any other model. Tensors of the encoder
    are never dropped without a word.

    Args:
        model: The model.
        state: Parameters by this project's names.
        allow_partial: Go on where tensors are missing, left over or of
            another shape without a reason.
        heads: What the checkpoint tells of its attention heads.
        remedy: What helps where something is left over, for people.

    Raises:
        ValueError: For such a tensor otherwise, for numbers of another kind
            or attention of other heads; nothing was changed then.
    """
    if isinstance(model, PretrainMethod):
        # Not a plain dict: it brings its modules' versions along.
        state = copy.copy(state)
        for name in [n for n in state if n.startswith(model.starts_anew)]:
            del state[name]
    if isinstance(model, BaseSelfSupervisor):
        target, policy = model, into_method(model)
    else:
        target, policy = model.backbone, INTO_BACKBONE
    policy = policy._replace(remedy=remedy)
    return load(target, state, policy, allow_partial, heads)


def load_for_test(
    model: nn.Module, state: dict[str, Tensor], heads: dict[str, int] = {}
) -> Account:
    """Load a checkpoint to be judged.

    Args:
        model: A model, in wrappers of processes or of test-time
            augmentation or not.
        state: Parameters by this project's names.
        heads: What the checkpoint tells of its attention heads.

    Raises:
        ValueError: If a tensor that is judged is missing or does not fit,
            or has other attention heads.
    """
    while isinstance(inner := getattr(model, 'module', None), nn.Module):
        model = inner
    if isinstance(model, BaseSelfSupervisor):
        return load(
            model, state, into_method(model)._replace(remedy=''), heads=heads
        )
    return load(model, state, TO_TEST, heads=heads)


def into_method(model: BaseSelfSupervisor) -> Policy:
    """The policy of a pre-training method, of this project or not."""
    new = re.compile(r'(?!backbone\.).*|backbone\.mask_token')
    if isinstance(model, PretrainMethod):
        names = map(re.escape, (*model.may_be_new, 'backbone.mask_token'))
        new = re.compile(f'(?:{"|".join(names)}).*')
    return TO_TEST._replace(new=new, resize=True, remedy=PARTIAL)
