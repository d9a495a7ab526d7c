"""The wheel, and in it the project of docs/extending.md as it stands there."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import mmpretrain
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from stopped_runs import same

from ccmim_tools.config_names import list_configs

pytestmark = pytest.mark.slow

STOCK = Path(mmpretrain.__file__).parent / '.mim/tools'
#: Before and after ``ccmim`` in a process that has nothing of the clone.
INSTALLED = """
import sys
from ccmim_tools import cli, config_names
assert config_names.__file__.startswith(SITE)
assert config_names.list_configs() == NAMES
for name in NAMES:
    assert config_names.find_config(name).startswith(SITE)
assert 'torch' not in sys.modules
cli.main()
import mmpretrain
import ccmim_mm
assert ccmim_mm.__file__.startswith(SITE)
assert 'ccmim_vit-b' in mmpretrain.list_models('ccmim*')
"""


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A folder that the wheel of this tree is installed in."""
    root = tmp_path_factory.mktemp('wheel')
    # A copy: setuptools leaves files in the tree that it builds.
    shutil.copytree(
        ROOT,
        root / 'tree',
        symlinks=True,
        ignore=shutil.ignore_patterns(
            *('.*_cache', '.git', '.venv', '__pycache__', 'build', 'data'),
            *('*.egg-info', 'tests', 'work_dirs'),
        ),
    )
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
    build = ['wheel', '--no-build-isolation', '-w', root, root / 'tree']
    install = ['install', '--target', root / 'site', '--find-links', root]
    for command in (build, [*install, 'ccmim_mm']):
        options = ['-q', '--no-deps', '--no-index']
        done = subprocess.run(
            [*pip, *command, *options], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return root / 'site'


def test_a_project_of_the_wheel_and_of_the_clone(
    picture_folder, tmp_path, site, monkeypatch
):
    """The docs' two commands, one of each; equal to the bit."""
    text = (ROOT / 'docs/extending.md').read_text()
    assert len(text.splitlines()) <= 95
    parts, config = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    (commands,) = re.findall(r'```bash\n(.*?)```', text, re.DOTALL)
    (tmp_path / 'my_parts.py').write_text(parts)
    (tmp_path / 'my_config.py').write_text(config)
    script = INSTALLED.replace('SITE', repr(str(site)))
    script = script.replace('NAMES', repr(list_configs()))
    (tmp_path / 'installed.py').write_text(script)
    first, second = commands.replace('DIR', str(picture_folder)).splitlines()
    common = ' train_cfg.max_epochs=1 --work-dir'
    first = first.replace('PYTHONPATH=.', f'PYTHONPATH=.:{site}')
    first = first.replace('ccmim', f'{sys.executable} installed.py')
    done = subprocess.run(
        ['bash', '-c', f'{first} --device cpu --cfg-options{common} own'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'linear_cls' in done.stdout
    assert (tmp_path / 'own/panels/epoch_0001.png').exists()

    # Here, as a process of its own would import it all again.
    second = f'{second}{common} stock'.replace('STOCK', str(STOCK))
    python, m, module, *arguments = second.split()
    assert (python, m) == ('python', '-m')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, 'argv', [module, *arguments])
    runpy.run_module(f'{module}.__main__', run_name='__main__')

    own, stock = (
        torch.load(tmp_path / name / 'epoch_1.pth', weights_only=True)
        for name in ('own', 'stock')
    )
    assert 'colours.weight' in own['state_dict']
    assert same(own['state_dict'], stock['state_dict'])
    assert same(own['optimizer'], stock['optimizer'])


def test_the_index_has_every_model_and_no_other():
    index = Config.fromfile(ROOT / 'ccmim_mm/.mim/metafile.yml')
    wanted = [
        name
        for name in list_configs()
        if '/' not in name or name.startswith('classification/')
    ]
    assert sorted(model.Name for model in index.Models) == wanted
    for model in index.Models:
        assert (ROOT / 'ccmim_mm/.mim' / model.Config).samefile(
            ROOT / f'configs/{model.Name}.py'
        )
