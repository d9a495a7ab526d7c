"""What `ccmim doctor` finds."""

import sys

import pytest

from ccmim_tools import cli, doctor
from ccmim_tools.doctor import folders, machine, packages
from ccmim_tools.doctor.finding import Finding


def installed(monkeypatch, **owners):
    """Have the import names be of these distributions."""
    found = dict(
        mmengine=['onedl-mmengine'],
        mmcv=['onedl-mmcv'],
        mmpretrain=['onedl-mmpretrain'],
        cv2=['opencv-python-headless'],
    )
    monkeypatch.setattr(
        packages, 'packages_distributions', lambda: found | owners
    )
    monkeypatch.setattr(packages, 'version', lambda name: '1.0')
    monkeypatch.setattr(packages, 'find_spec', lambda name: None)
    return {str(finding): finding.level for finding in packages.check_owners()}


def test_it_finds_two_lines_in_one_place(monkeypatch):
    found = installed(monkeypatch, mmengine=['onedl-mmengine', 'mmengine'])
    (line,) = (text for text, level in found.items() if level == 'broken')
    assert 'mmengine is of mmengine 1.0 and onedl-mmengine 1.0' in line
    assert 'pip uninstall -y mmengine onedl-mmengine, then install' in line


def test_it_finds_what_is_mixed_missing_or_twice(monkeypatch):
    both = ['opencv-python', 'opencv-python-headless']
    found = installed(monkeypatch, mmcv=['mmcv'], mmpretrain=[], cv2=both)
    text = '\n'.join(found)
    assert 'two lines of OpenMMLab together: mmcv of the old one' in text
    assert 'broken  no mmpretrain\n        -> pip install --no-deps' in text
    assert 'pip uninstall -y opencv-python opencv-python-headless' in text
    assert 'note    no mmdet: detection needs it' in text
    assert list(found.values()).count('broken') == 1


def test_it_says_what_keeps_the_package_from_being_imported(monkeypatch):
    def fail(name):
        raise ImportError('ccmim_mm needs mmcv >= 2, found 1: pip install x')

    monkeypatch.setattr(packages, 'import_module', fail)
    *_, last = packages.check_stack()
    assert last.level == 'broken'
    assert 'found 1: pip install x' in last.text


def test_it_tells_why_a_gpu_is_not_used(monkeypatch):
    monkeypatch.setattr(machine.shutil, 'which', lambda _: '/bin/nvidia-smi')
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert 'this torch is for CPUs' in machine._no_gpu(None).cure
    assert 'nvidia-smi' in machine._no_gpu('13.0').cure
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert 'unset' in machine._no_gpu('13.0').cure
    monkeypatch.setattr(machine.shutil, 'which', lambda _: None)
    assert machine._no_gpu('13.0').level == 'ok'


def test_it_tries_to_write(monkeypatch, tmp_path):
    assert folders.is_writable(tmp_path / 'not/yet/there')
    assert not any(tmp_path.iterdir())
    # Not even root may write there.
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/cache')
    found = [f for f in folders.check_folders() if f.text.startswith('cache')]
    assert [f.level for f in found] == ['note']
    assert found[0].cure == 'XDG_CACHE_HOME=DIR'


@pytest.mark.parametrize('level', ['note', 'broken'])
def test_it_exits_by_what_is_broken(level, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['ccmim', 'doctor'])
    checks = (lambda: [Finding(level, 'found', 'do it')],)
    monkeypatch.setattr(doctor, 'CHECKS', checks)
    if level == 'broken':
        with pytest.raises(SystemExit, match='1 broken'):
            cli.main()
    else:
        cli.main()
    assert f'{level:<8}found\n        -> do it' in capsys.readouterr().out
