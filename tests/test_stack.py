"""What is missing from the stack is named, with the way to get it."""

import sys
from importlib import import_module

import pytest

from ccmim_mm import _stack
from ccmim_mm._stack import (
    check_operators,
    check_scope,
    check_stack,
    check_system,
)


def test_a_part_that_is_too_old_or_missing():
    with pytest.raises(ImportError, match=r'needs mmcv >= 99.*pip install'):
        check_stack(dict(mmcv=('99', 'onedl-mmcv==99')))
    with pytest.raises(ImportError, match='found none'):
        check_stack(dict(no_such_part=('1', 'x==1')))


def test_operators_are_here():
    check_scope('mmpretrain')
    check_scope('mmseg')
    check_scope('mmdet')
    assert import_module('mmcv._ext')


def test_operators_that_are_missing(monkeypatch):
    # None in sys.modules makes the import fail, as if not compiled.
    monkeypatch.setitem(sys.modules, 'mmcv._ext', None)
    with pytest.raises(ImportError, match='compiled operators: `make test`'):
        check_scope('mmdet')


def test_operators_for_another_torch(monkeypatch):
    def undefined(name):
        raise ImportError('_ext.so: undefined symbol: _ZN3c10')

    monkeypatch.setattr(_stack, 'import_module', undefined)
    with pytest.raises(ImportError, match='compiled for another torch'):
        check_operators()


def test_windows_is_told_where_to_go():
    check_system()
    with pytest.raises(ImportError, match='WSL'):
        check_system('nt')
