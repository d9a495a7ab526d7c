"""What is missing from the stack is named, with the way to get it."""

import pytest

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


def test_windows_is_told_where_to_go():
    check_system()
    with pytest.raises(ImportError, match='WSL'):
        check_system('nt')
