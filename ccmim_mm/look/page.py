"""The page itself: one file, no server, nothing fetched."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from torch import Tensor

from ..files import write_atomic
from ..version import __version__
from .packing import as_jpeg
from .pictures import Shown

#: Longer side of what neighbours are shown as, in pixels.
THUMB = 48
#: Steps of the colour bar.
_STEPS = 64


def write_page(
    out: Path,
    title: str,
    views: Sequence[dict[str, Any]],
    shown: Shown,
    others: Shown,
    thumbs: Tensor,
) -> None:
    """Write a page.

    Args:
        out: The file.
        title: Its title.
        views: See :func:`view_of`, of the same pictures.
        shown: The pictures that are looked into.
        others: Those that neighbours are found among.
        thumbs: They, RGB in [0, 255], ``(M, 3, H, W)``.
    """
    colours = colormaps['viridis'](np.linspace(0, 1, _STEPS))[:, :3]
    content = dict(
        names=shown.names,
        classes=shown.classes,
        total=shown.total,
        unread=others.unread,
        others=[
            dict(name=name, label=label, thumb=as_jpeg(thumb, THUMB))
            for name, label, thumb in zip(
                others.names, others.classes, thumbs, strict=True
            )
        ],
        views=list(views),
        colours=[[int(c) for c in row] for row in (colours * 255).round()],
    )
    write_atomic(page(title, content).encode(), out)


def page(title: str, content: dict[str, Any]) -> str:
    """The text of a page.

    The policy in it lets nothing run but the script that is here, by its
    hash, and nothing be fetched. What comes from files (names, data) is
    JSON in a block that no browser runs.
    """
    style, script, body = (
        files(__package__).joinpath(f'page/look.{kind}').read_text()
        for kind in ('css', 'js', 'html')
    )
    data = json.dumps(content, separators=(',', ':'), allow_nan=False)
    # Nothing in it can end the block.
    for sign in '<>&':
        data = data.replace(sign, f'\\u{ord(sign):04x}')
    parts = dict(
        title=html.escape(title),
        policy=(
            "default-src 'none'; img-src data:; "
            f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
        ),
        style=style,
        script=script,
        version=html.escape(__version__),
        data=data,
    )
    # Once through the template: what is put in is not looked at again.
    pieces = body.split('{{')
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition('}}')
        text += parts[name] + rest
    return text


def _hash(text: str) -> str:
    """As a content security policy has it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f'sha256-{base64.b64encode(digest).decode()}'
