"""The momentum encoder of a checkpoint, in place of the trained one."""

from torch import Tensor

from .match import without
from .names import MOCO

#: Where it lies, and what the encoder is called that it is the average of:
#: in this project and mmpretrain (with the projector behind, as ``1.``), and
#: in the official MoCo v3.
_PLACES = {
    'momentum_encoder.module.0.': 'backbone.',
    'encoder_k.module.0.': 'backbone.',
    'module.momentum_encoder.': MOCO,
}
#: All that is averaged, the projector too, and what it is the average of.
_AVERAGES = ('momentum_encoder.', 'encoder_k.', 'module.momentum_encoder.')
_TRAINED = ('backbone.', MOCO)


def momentum_encoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint whose encoder is the momentum encoder, and nothing else.

    Args:
        state: Parameters of MoCo v3 or DenseCL, as trained by this project
            or mmpretrain, or of the official MoCo v3.

    Returns:
        The momentum encoder's, by the names of the trained one.

    Raises:
        ValueError: If there is none.
    """
    return apart(state)[0]


def apart(
    state: dict[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """See :func:`momentum_encoder`, and what the checkpoint has beside.

    That is by its own names; what it is the average of, behind ``trained.``.
    """
    for place, encoder in _PLACES.items():
        if found := without(place, state):
            return (
                {encoder + name: value for name, value in found.items()},
                {
                    f'trained.{n}' if n.startswith(_TRAINED) else n: value
                    for n, value in state.items()
                    if not n.startswith(_AVERAGES)
                },
            )
    raise ValueError(
        'it holds no momentum encoder, which those of MoCo v3 and DenseCL '
        "do: leave encoder at 'online', the one that was trained"
    )
