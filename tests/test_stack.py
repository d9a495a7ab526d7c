"""What is missing from the stack is named, with the way to get it."""

import subprocess
import sys

import pytest

from ccmim_mm._operators import how_to_compile
from ccmim_mm._stack import REQUIRED, check_scope, check_stack, check_system


def test_a_part_that_is_too_old_or_missing():
    with pytest.raises(ImportError, match=r'needs mmcv >= 99.*pip install'):
        check_stack(dict(mmcv=('99', 'onedl-mmcv==99')))
    with pytest.raises(ImportError, match='found none'):
        check_stack(dict(no_such_part=('1', 'x==1')))


def test_both_lines_are_named():
    with pytest.raises(
        ImportError, match=r'onedl-mmcv==\S+ or mmcv-lite==.*all of one line'
    ):
        check_stack(dict(mmcv=('99', *REQUIRED['mmcv'][1:])))


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmseg', 'mmdet'])
def test_scopes_that_are_complete(scope):
    pytest.importorskip(scope)
    check_scope(scope)


@pytest.mark.slow
def test_a_start_without_detection_imports_no_mmdet():
    pytest.importorskip('mmdet')
    code = (
        'import sys, ccmim_mm; assert "mmdet" not in sys.modules;'
        'from ccmim_mm._stack import check_scope; check_scope("mmdet");'
        'from mmdet.registry import MODELS;'
        'from mmpretrain.models.utils import ResLayerExtraNorm as head;'
        'assert MODELS.get("ResLayerExtraNorm") is head'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_what_a_task_needs_is_named(monkeypatch):
    """Of mmdet without its own requirements."""

    def no_pycocotools(required):
        raise ModuleNotFoundError("No module named 'pycocotools'")

    monkeypatch.setattr('ccmim_mm._stack.check_stack', no_pycocotools)
    with pytest.raises(ImportError, match=r'pycocotools.*mmseg.*\[transfer'):
        check_scope('mmseg')


@pytest.mark.parametrize(
    ('owner', 'line'),
    [('onedl-mmcv', 'onedl-mmcv==2.3.6'), ('mmcv-lite', 'mmcv==2.1.0')],
)
def test_operators_are_compiled_of_the_line_that_is_there(
    owner, line, monkeypatch
):
    owners = dict(mmcv=[owner])
    monkeypatch.setattr(
        'ccmim_mm._operators.packages_distributions', lambda: owners
    )
    assert how_to_compile().endswith(f' {line}')


def test_windows_is_told_where_to_go():
    check_system()
    with pytest.raises(ImportError, match='WSL'):
        check_system('nt')
