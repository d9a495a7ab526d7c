"""Check of the OpenMMLab stack that this package stands on.

The maintained line of the stack (``onedl-*`` on PyPI) and the original
share their import names, so pip cannot be asked to depend on either
without overwriting what a user already has. It is checked here instead.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module, metadata, reload
from io import StringIO

from packaging.version import Version

from ._operators import check_operators

# Import name -> (lowest version that works, what to install of the
# maintained line, of the original one).
REQUIRED = {
    'mmengine': ('0.10.7', 'onedl-mmengine==0.10.12', 'mmengine==0.10.7'),
    'mmcv': ('2.1.0', 'onedl-mmcv==2.3.6', 'mmcv-lite==2.1.0'),
    'mmpretrain': ('1.2.0', 'onedl-mmpretrain==1.3.6', 'mmpretrain==1.2.0'),
}
# Of what a config's scope needs beyond them.
REQUIRED_BY_SCOPE = {
    'mmdet': {'mmdet': ('3.3.0', 'onedl-mmdetection==3.5.1', 'mmdet==3.3.0')},
    'mmseg': {
        'mmseg': (
            '1.2.2',
            'onedl-mmsegmentation==1.4.2',
            'mmsegmentation==1.2.2',
        )
    },
}


def check_system(name: str = os.name) -> None:
    """Check that this is a system that runs can be signalled and locked on.

    Args:
        name: As ``os.name``.

    Raises:
        ImportError: On Windows.
    """
    if name == 'nt':
        raise ImportError(
            'ccmim_mm runs on Linux; on Windows: in WSL 2 (wsl --install)'
        )


def check_scope(scope: str) -> None:
    """Check what a downstream task needs: its library, mmcv's operators.

    For mmdet the head that :func:`leave_out_detectors` left out is registered.

    Args:
        scope: The config's ``default_scope``.

    Raises:
        ImportError: Naming what is missing and how to get it.
    """
    required = REQUIRED_BY_SCOPE.get(scope)
    if required is None:
        return
    if scope == 'mmdet':
        check_operators()
    try:
        with quiet_imports():
            check_stack(required)
            if scope == 'mmdet':
                _register_in_mmdet()
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error}, which {scope} needs: pip install 'ccmim_mm[transfer]'"
        ) from None


def check_stack(
    required: Mapping[str, tuple[str, ...]] = REQUIRED,
) -> None:
    """Raise one clear line if a part of the stack is missing or too old.

    Args:
        required: Import name to ``(lowest version, pip requirement, ...)``,
            a requirement for each line of the stack that has it.

    Raises:
        ImportError: Naming the part, what was found and what to install.
    """
    for name, (lowest, *requirements) in required.items():
        try:
            found = import_module(name).__version__
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            found = None
        if found is None or Version(found) < Version(lowest):
            raise ImportError(
                f'ccmim_mm needs {name} >= {lowest}, found '
                f'{found or "none"}: pip install --no-deps '
                f'{" or ".join(requirements)} (all of one line, in an '
                'environment of its own: the maintained and the original '
                'OpenMMLab packages share their import names)'
            )


def leave_out_text_models() -> None:
    """Import mmpretrain without its models of text, beside transformers 5.

    They are of transformers 4, and fail while mmpretrain imports them.
    """
    try:
        found = Version(metadata.version('transformers'))
    except metadata.PackageNotFoundError:
        return
    if found.major >= 5:
        dependency = import_module('mmpretrain.utils.dependency')
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]


@contextmanager
def leave_out_detectors() -> Iterator[None]:
    """Import mmpretrain without mmdet, unless that is imported already.

    mmpretrain imports it for one shared head, ``ResLayerExtraNorm``, a third
    of the time that a start takes; :func:`check_scope` registers that head
    before a run of mmdet's scope. Whoever builds it otherwise imports mmdet
    before this package.
    """
    if 'mmdet' in sys.modules:
        yield
        return
    # None in sys.modules makes the import fail, as if not installed.
    sys.modules['mmdet'] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules['mmdet']


def _register_in_mmdet() -> None:
    head = import_module('mmpretrain.models.utils.res_layer_extra_norm')
    if head.ResLayerExtraNorm is None:
        reload(head)
        vars(import_module('mmpretrain.models.utils')).update(
            ResLayerExtraNorm=head.ResLayerExtraNorm
        )


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Keep the stack's notices of optional parts off the screen.

    Importing mmpretrain announces what it does without.
    """
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.filterwarnings('ignore', message='Fail to import')
        yield
