"""Options of ``ccmim train`` that move all that depends on them."""

import argparse
import math

from .command_line import check_lowest, fail

#: What options of whole numbers can be at least.
LOWEST = dict(
    epochs=1,
    iters=1,
    batch_size=1,
    patch_size=1,
    channels=1,
    seed=0,
    workers=0,
)


def add_settings(options: argparse.ArgumentParser) -> None:
    """Options that move everything in a config that depends on them."""
    for name, kind, text in (
        ('batch-size', int, 'pictures a step of each process; the rate stays, '
         'but with --auto-scale-lr, and so does the accumulation'),
        ('lr', float, 'learning rate at its peak'),
        ('img-size', size, 'side of the pictures in pixels, or HEIGHTxWIDTH: '
         'of the model, and of crops and resizes in training and evaluation'),
        ('patch-size', int, 'side of a patch in pixels: of encoder, decoder, '
         'head and masks'),
        ('channels', int, 'of the pictures, if they are no RGB: TIFF, NumPy '
         'arrays and others are read as they are stored'),
        ('seed', int, 'of the training'),
        ('workers', int, 'processes that load pictures, for each loader'),
    ):  # fmt: skip
        options.add_argument(f'--{name}', type=kind, help=text)


def size(text: str) -> int | tuple[int, int]:
    """``64``, or ``64x96``: height and width.

    Raises:
        ValueError: If it is neither.
    """
    height, cross, width = text.partition('x')
    return (int(height), int(width)) if cross else int(height)


def check_settings(args: argparse.Namespace) -> None:
    """Refuse values that no config can have, of train's own options."""
    check_lowest(args, LOWEST)
    sides = (
        args.img_size if isinstance(args.img_size, tuple) else (args.img_size,)
    )
    for side in sides:
        if side is not None and side < 1:
            fail(f'--img-size is {side}: give 1 or more')
    if args.lr is not None and not 0 < args.lr < math.inf:
        fail(f'--lr is {args.lr}: give a number above 0, as 1e-3')
