"""A page that shows what checkpoints have learned, on one's own pictures."""

import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from ..datasets import UnreadablePictureError
from ..files import check_output, printable
from ..look import choose, view_of, write_page
from ..look.pictures import Shown, only, readable
from ..visualization import as_rgb
from .open_encoder import open_encoder

#: Pictures that are looked into, and that neighbours are found among.
PICTURES, NEIGHBOURS = 24, 300


def look(
    checkpoints: Sequence[str | Path],
    folder: str | Path,
    out: str | Path,
    configs: Sequence[str | Path | None] = (),
    pictures: int = PICTURES,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Write a page on checkpoints, all on the same pictures.

    Args:
        checkpoints: Of any format that is known, at least one.
        folder: Of pictures, nested or flat.
        out: The HTML file to write.
        configs: Of each, see :func:`open_encoder`.
        pictures: How many to look into, spread evenly over the folder.
        neighbours: How many to find neighbours among, these among them.
        seed: Of the masks.
        device: See :func:`open_encoder`.

    Raises:
        FileNotFoundError: If a file is missing, or the folder has no
            pictures.
        FileExistsError: If ``out`` is there already, or lies in the folder.
        ValueError: If so many pictures cannot be shown, a checkpoint cannot be
            read, or no picture, or a picture by one of several alone.
    """
    out = Path(out)
    check_output(out, folder)
    if len(configs) > len(checkpoints):
        raise ValueError(
            f'{len(configs)} configs for {len(checkpoints)} checkpoints: give '
            'one each, in their order'
        )
    shown, others = _chosen(folder, pictures, neighbours)
    views, thumbs = [], None
    names = [printable(Path(c).name) for c in checkpoints]
    if len({*names}) < len(names):
        names = [printable(str(c)) for c in checkpoints]
    for row, checkpoint in enumerate(checkpoints):
        config = configs[row] if row < len(configs) else None
        encoder, work_dir = open_encoder(checkpoint, config, device)
        if thumbs is None:
            others, packed = readable(others, encoder)
            left = {*others.names}
            rows = [i for i, n in enumerate(shown.names) if n in left]
            shown = only(shown, rows)
            found = as_rgb(
                dict(picture=packed), encoder.model.data_preprocessor
            )
            thumbs = found['picture'].cpu()
        else:
            try:
                packed = encoder.load(others.paths)
            except UnreadablePictureError as error:
                raise ValueError(f'{checkpoint}: {error}') from None
        inputs = packed[: len(shown.names)]
        views.append(
            view_of(encoder.model, names[row], inputs, packed, work_dir, seed)
        )
        del encoder
        gc.collect()
    assert thumbs is not None
    title = (
        f'{" and ".join(names)} on {printable(Path(folder).resolve().name)}'
    )
    write_page(out, title, views, shown, others, thumbs)
    size = out.stat().st_size / 1e6
    print_log(
        f'{printable(str(out))}: {len(shown.names)} of {shown.total} '
        f'pictures, neighbours among {len(others.names)}, {size:.1f} MB'
    )


def _chosen(
    folder: str | Path, pictures: int, neighbours: int
) -> tuple[Shown, Shown]:
    """Pictures to look into, and they with others behind them."""
    shown = choose(folder, pictures)
    others = choose(folder, neighbours, '--neighbours')
    known = {*shown.names}
    rows = [i for i, name in enumerate(others.names) if name not in known]
    most = max(0, neighbours - len(known))
    if len(rows) > most:
        even = np.linspace(0, len(rows) - 1, most).astype(int)
        rows = [rows[i] for i in even]
    others = only(others, rows)
    return shown, shown._replace(
        names=shown.names + others.names,
        classes=shown.classes + others.classes,
        paths=shown.paths + others.paths,
    )
