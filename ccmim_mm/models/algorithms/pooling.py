"""Vectors and patches of what encoders return, whatever their kind."""

from torch import Tensor


def pool(output: Tensor | tuple | list) -> dict[str, Tensor]:
    """One vector a picture from what an encoder returns.

    Args:
        output: Tokens, ``(B, 1 + L, C)``, CLS first; a vector, ``(B, C)``; a
            map, ``(B, C, H, W)``; or several of one of them, of which the
            last counts.

    Returns:
        Of tokens ``cls`` and ``mean`` (of the patches), of a vector ``cls``,
        of a map ``mean``; ``(B, C)`` each, and no view: a view would keep
        every token alive.

    Raises:
        ValueError: If it is none of them.
    """
    output = _last(output)
    if output.ndim == 3:
        return dict(cls=output[:, 0].clone(), mean=output[:, 1:].mean(1))
    if output.ndim == 2:
        return dict(cls=output)
    if output.ndim == 4:
        return dict(mean=output.mean((2, 3)))
    raise ValueError(
        f'an encoder returned {tuple(output.shape)}: expected tokens (B, N, '
        'C), a vector (B, C) or a map (B, C, H, W)'
    )


def patches_in(output: Tensor | tuple | list) -> Tensor | None:
    """The patches of what an encoder returns, if there are.

    Args:
        output: See :func:`pool`.

    Returns:
        ``(B, L, C)``, in raster order; None of a vector a picture.
    """
    output = _last(output)
    if output.ndim == 4:
        return output.flatten(2).transpose(1, 2)
    return output[:, 1:] if output.ndim == 3 else None


def _last(output: Tensor | tuple | list) -> Tensor:
    while isinstance(output, tuple | list):
        output = output[-1]
    return output
