"""Parameters into models, with one account of every tensor."""

from collections import OrderedDict

from torch import Tensor, nn

from .account import Account
from .heads import check_heads
from .match import Policy, match, without
from .positions import fit_positions


def load(
    target: nn.Module,
    state: dict[str, Tensor],
    policy: Policy,
    allow_partial: bool = False,
    heads: dict[str, int] = {},
) -> Account:
    """Load what :func:`match` finds; the target resizes its own table.

    Args:
        target: A model or a part of one.
        state: The checkpoint's parameters.
        policy: What may be left over.
        allow_partial: Go on whatever is.
        heads: What the checkpoint tells of its attention heads.

    Raises:
        ValueError: See :func:`fit_positions`, :func:`match` and
            :func:`check_heads`.
    """
    versions = getattr(state, '_metadata', {})
    state = fit_positions(target, state, policy)
    fits, account = match(target.state_dict(), state, policy, allow_partial)
    told = check_heads(target, without(policy.prefix, heads), fits)
    fits = OrderedDict(fits)
    # What a module of another version would convert.
    fits._metadata = without(  # type: ignore[attr-defined]
        policy.prefix, versions
    )
    target.load_state_dict(fits, strict=False)
    return account._replace(heads=told)
