"""``ccmim``: its commands, what mistakes cost, and names of configs."""

import subprocess
import sys

import pytest
from conftest import ROOT

import ccmim_tools
from ccmim_mm.checkpoints.names import FORMATS, READ_ALONE
from ccmim_tools import cli, convert_checkpoint
from ccmim_tools.config_names import find_config, list_configs

DEMO = 'ccmim_vit-tiny_demo'


@pytest.mark.parametrize(
    'name',
    [
        'ccmim_vit-b',
        'ccmim_vit-b.py',
        'configs/ccmim_vit-b.py',
        'ccmim_mm::configs/ccmim_vit-b.py',
    ],
)
def test_a_config_has_one_name_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == str(ROOT / 'configs/ccmim_vit-b.py')


def test_a_path_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'ccmim_vit-b.py').touch()
    assert find_config('ccmim_vit-b.py') == 'ccmim_vit-b.py'


def test_every_config_has_a_name():
    assert 'classification/vit-b_finetune_own' in list_configs()
    assert not [name for name in list_configs() if '_base_' in name]
    for name in list_configs():
        assert find_config(name) == str(ROOT / f'configs/{name}.py')


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (['tain'], 2, 'no command tain: did you mean train?'),
        (['train', 'ccmim_vitb'], 1, 'no config ccmim_vitb; did you mean ccm'),
        (['test', 'ccmim_vit-b', 'no.pth'], 1, 'no checkpoint no.pth'),
        (['train', 'ccmim_vit-b', '--data', '/no'], 1, 'no folder /no'),
        (
            ['features', 'vit-b_finetune_own', 'a.pth', '.', 'x.npz'],
            1,
            'did you mean classification/vit-b_finetune_own',
        ),
        (['bench', 'step', '--config', 'x'], 1, 'no config x, neither a file'),
        (
            ['train', 'ccmim_vit-b', '--epochs', '0'],
            1,
            '--epochs is 0: give 1',
        ),
        (['train', 'ccmim_vit-b', '--lr', '0'], 1, '--lr is 0.0: give a num'),
        (['convert', 'no.pth', 'x.pth'], 1, 'no checkpoint no.pth'),
        (
            ['export', 'no.pth', 'x', '--to', 'hf_mae'],
            1,
            'no checkpoint no.pth',
        ),
        (
            ['features', DEMO, 'pyproject.toml', '/no', 'x.npz'],
            1,
            'no folder /no: give the folder of your data',
        ),
        (
            ['features', DEMO, 'pyproject.toml', 'docs', 'README.md'],
            1,
            'README.md exists: name another file to write',
        ),
        (
            ['train', 'ccmim_vit-b', '--cfg-options', 'lr'],
            1,
            '--cfg-options lr: write KEY=VALUE',
        ),
        (
            ['train', 'ccmim_vit-b', '--cfg-options', 'work_dir=x'],
            1,
            '--cfg-options work_dir: give --work-dir in its place',
        ),
    ],
)
def test_mistakes_cost_a_line(arguments, code, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', ['ccmim', *arguments])
    monkeypatch.setattr('ccmim_tools.train.leave_when_asked', lambda _: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err if code == 2 else ended.value.code
    assert message in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize('arguments', [['--to', 'auto'], ['--from', 'pt']])
def test_formats_of_convert_are_named(arguments, monkeypatch, capsys):
    command = ['ccmim', 'convert', 'LICENSE', 'x.pth', *arguments]
    monkeypatch.setattr(sys, 'argv', command)
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert f"invalid choice: '{arguments[1]}'" in said and 'hf_mae' in said
    asked = convert_checkpoint.parse_args(['a', 'b', '--to', 'hf-mae'])
    assert asked.target == 'hf_mae'
    assert READ_ALONE == convert_checkpoint.READ
    assert {*FORMATS} == {
        *convert_checkpoint.READ,
        *convert_checkpoint.WRITTEN,
    }


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['train', DEMO, '--data', '/no/such'], 'no folder /no/such'),
        (['train', DEMO, '--workers', '-1'], '--workers is -1'),
        (['convert', 'pyproject.toml', 'docs'], 'docs exists'),
        (['features', DEMO, 'LICENSE', 'docs', 'docs'], 'docs exists'),
    ],
)
def test_mistakes_cost_no_import_of_torch(arguments, message):
    """Nor do signals wait for it."""
    script = (
        'import sys\n'
        'from ccmim_tools import cli\n'
        'try:\n'
        '    cli.main()\n'
        'finally:\n'
        '    import signal\n'
        '    handler = signal.getsignal(signal.SIGTERM)\n'
        '    print("torch" in sys.modules, handler is signal.SIG_DFL)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stderr.startswith(f'error: {message}')
    caught = arguments[0] != 'train'
    assert done.stdout == f'False {caught}\n'


@pytest.fixture
def imported_anew():
    """What the commands import, and all as it was afterwards."""
    parts = tuple(
        f'ccmim_tools.{part}' for part in ('studies', 'benchmarks', 'planning')
    )
    attributes = dict(vars(ccmim_tools))
    found = _tools()
    for name in found:
        if name.startswith(parts):
            del sys.modules[name]
    yield
    for name in _tools():
        del sys.modules[name]
    sys.modules.update(found)
    # A submodule is its package's attribute too.
    vars(ccmim_tools).clear()
    vars(ccmim_tools).update(attributes)


def _tools():
    return {
        name: module
        for name, module in sys.modules.items()
        if name.startswith('ccmim_tools.')
    }


@pytest.mark.parametrize(
    ('command', 'package'),
    [
        (['study', 'report', 'configs/study/grid_tiny.py'], 'scipy'),
        (['bench', 'step'], 'pandas'),
        (['plan', 'ccmim_vit-s'], 'pandas'),
    ],
)
@pytest.mark.usefixtures('imported_anew')
def test_what_brings_a_missing_package(command, package, monkeypatch):
    """Of an install without the extra."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', ['ccmim', *command])
    with pytest.raises(SystemExit, match=rf'error: .*{package}.*\[study\]'):
        cli.main()


def test_help_names_every_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['ccmim'])
    cli.main()
    assert {*cli.COMMANDS} <= {*capsys.readouterr().out.split()}


def test_demo_makes_its_data_and_trains(monkeypatch, tmp_path):
    seen = []
    for name in ('make_demo_data', 'train'):
        monkeypatch.setattr(
            f'ccmim_tools.{name}.main', lambda: seen.append(sys.argv[1:])
        )
    monkeypatch.setattr(sys, 'argv', ['ccmim', 'demo', '--epochs', '1'])
    cli.main()
    common = ['--data', 'data/demo', '--work-dir', 'work_dirs/demo']
    assert seen == [
        ['data/demo'],
        [DEMO, *common, '--resume', '--epochs', '1'],
    ]
