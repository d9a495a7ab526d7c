"""Whose the import names are, and whether they fit together."""

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from ..config_names import list_configs, mim_folder
from .finding import Finding

#: Import name -> what it is for; None: for everything.
NAMES = {
    'mmengine': None,
    'mmcv': None,
    'mmpretrain': None,
    'cv2': None,
    'mmdet': 'detection',
    'mmseg': 'segmentation',
}
_STACK = ('mmengine', 'mmcv', 'mmpretrain')
_INSTALL = (
    'pip install --no-deps onedl-mmengine onedl-mmcv onedl-mmpretrain, in '
    'the versions of requirements.txt'
)


def check_owners() -> Iterator[Finding]:
    """Which distributions an import name comes from: one, at best.

    The two lines of OpenMMLab share their import names, and pip writes one
    over the other without a word; so do the builds of OpenCV.
    """
    owners = packages_distributions()
    for name, purpose in NAMES.items():
        found = sorted({*owners.get(name, ())})
        if len(found) > 1:
            yield _overwritten(name, found)
        elif found:
            yield Finding('ok', f'{name} is of {_named(found)}')
        elif find_spec(name):
            yield Finding('note', f'{name} is of no installed package')
        elif purpose:
            yield Finding('note', f'no {name}: {purpose} needs it')
        else:
            cure = 'pip install opencv-python-headless'
            cure = cure if name == 'cv2' else _INSTALL
            yield Finding('broken', f'no {name}', cure)
    lines = {
        name: next(iter(owners[name])).startswith('onedl')
        for name in _STACK
        if owners.get(name)
    }
    if len({*lines.values()}) > 1:
        old = ', '.join(name for name, new in lines.items() if not new)
        yield Finding(
            'note',
            f'two lines of OpenMMLab together: {old} of the old one',
            'take all of one line',
        )


def _overwritten(name: str, owners: list[str]) -> Finding:
    cure = f'pip uninstall -y {" ".join(owners)}, then install one of them'
    return Finding(
        'note' if name == 'cv2' else 'broken',
        f'{name} is of {_named(owners)}, one written over the other',
        f'{cure} with --no-deps',
    )


def _named(owners: list[str]) -> str:
    return ' and '.join(f'{owner} {version(owner)}' for owner in owners)


def check_stack() -> Iterator[Finding]:
    """Whether this package can be imported, and finds its configs."""
    yield Finding(
        'ok', f'Python {platform.python_version()}, {sys.executable}'
    )
    try:
        package = import_module('ccmim_mm')
    # Whatever a broken installation raises.
    except Exception as error:
        text = f'ccmim_mm cannot be imported: {type(error).__name__}: {error}'
        yield Finding('broken', text, 'see the line itself, and those above')
        return
    yield Finding('ok', f'ccmim_mm {package.__version__}, {mim_folder()}')
    if not list_configs():
        yield Finding(
            'broken',
            'its configs are not there',
            'install it anew; a clone needs a file system with links',
        )
    if shutil.which('ccmim') is None:
        yield Finding(
            'note',
            'no ccmim on the PATH',
            f'python -m ccmim_tools, or PATH={sys.prefix}/bin:$PATH',
        )


def check_photographs() -> Iterator[Finding]:
    """Whether the demo finds what it makes its scenes of."""
    missing = [n for n in ('skimage', 'sklearn') if find_spec(n) is None]
    if missing:
        yield Finding(
            'note',
            f'no {" and no ".join(missing)}: ccmim demo needs their pictures',
            'pip install scikit-image scikit-learn',
        )
