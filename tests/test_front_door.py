"""``ccmim``, names of configs, the scope ``ccmim_mm``, mmpretrain's hub."""

import subprocess
import sys
from pathlib import Path

import mmpretrain
import numpy as np
import pytest
from conftest import ROOT, load
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS
from mmengine.utils import get_installed_path
from mmpretrain.apis import ModelHub
from run_helpers import config

import ccmim_tools
from ccmim_mm.apis import load_encoder
from ccmim_mm.checkpoints.names import FORMATS, READ_ALONE
from ccmim_mm.engine.hooks import PanelHook
from ccmim_mm.engine.runner.prepare import forget_scope, prepare
from ccmim_mm.hub import for_inferencers, register_models
from ccmim_mm.models import CCMIM
from ccmim_tools import cli, convert_checkpoint, doctor
from ccmim_tools.config_names import find_config, list_configs
from ccmim_tools.doctor import folders, machine, packages
from ccmim_tools.doctor.finding import Finding

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


@pytest.mark.parametrize('registry', [MODELS, mmpretrain.registry.MODELS])
def test_names_with_the_scope_before_them(registry):
    assert registry.get('ccmim_mm.CCMIM') is CCMIM
    assert HOOKS.get('ccmim_mm.PanelHook') is PanelHook


@pytest.mark.skipif(
    not Path(get_installed_path('ccmim_mm')).is_dir(),
    reason='this mmengine finds no package that is installed from a clone',
)
@pytest.mark.parametrize(
    'name', [DEMO, 'segmentation/upernet_vit-tiny_demo', 'ccmim_vit-b']
)
def test_a_base_of_the_package_is_the_file_of_the_clone(name, tmp_path):
    path = tmp_path / 'mine.py'
    # What is read of a base is marked with its scope.
    path.write_text(
        f"_base_ = 'ccmim_mm::configs/{name}.py'\nmodel = _base_.model\n"
    )
    mine = Config.fromfile(path)
    ours = load(name)
    assert mine.to_dict() != ours.to_dict()
    forget_scope(mine._cfg_dict)
    assert mine.to_dict() == ours.to_dict()


@pytest.fixture
def hub(monkeypatch):
    """Without mmpretrain's own models, which take seconds to list."""
    monkeypatch.setattr(ModelHub, '_ModelHub__mmpretrain_registered', True)


def test_the_hub_knows_the_models(hub):
    register_models()  # a second time changes nothing
    assert 'ccmim_vit-b' in mmpretrain.list_models('ccmim*')
    assert 'classification/vit-b_finetune_own' in mmpretrain.list_models(
        '*own'
    )
    model = mmpretrain.get_model(DEMO)
    assert type(model) is CCMIM
    assert model.backbone.embed_dims == 128


@pytest.mark.filterwarnings('ignore:Unable to find pre-defined')
def test_the_feature_extractor_sees_what_the_encoder_sees(hub):
    picture = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    stock = mmpretrain.FeatureExtractor(DEMO, device='cpu')
    (found,) = stock(picture)
    cfg = load(DEMO)
    encoder = load_encoder(cfg, device='cpu')
    encoder.model.load_state_dict(stock.model.state_dict())
    # It takes arrays as BGR, as OpenCV reads them.
    inputs = encoder.load(picture[..., ::-1])
    expected = encoder.features(inputs, ['cls', 'patches'])
    assert np.array_equal(found[0][0], expected['cls'][0])
    assert np.array_equal(found[0][1:], expected['patches'][0])
    # A config of one's own has to be unwrapped.
    unwrapped = for_inferencers(cfg)
    (again,) = mmpretrain.FeatureExtractor(unwrapped, device='cpu')(picture)
    assert again[0].shape == found[0].shape


def test_only_this_scope_is_forgotten(picture_folder, tmp_path):
    cfg = config(picture_folder, tmp_path)
    cfg.model['_scope_'] = 'mmpretrain'
    cfg.model.backbone['_scope_'] = 'ccmim_mm'
    cfg = prepare(cfg)
    assert cfg.model['_scope_'] == 'mmpretrain'
    assert '_scope_' not in cfg.model.backbone


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


def test_doctor_finds_two_lines_in_one_place(monkeypatch):
    found = installed(monkeypatch, mmengine=['onedl-mmengine', 'mmengine'])
    (line,) = (text for text, level in found.items() if level == 'broken')
    assert 'mmengine is of mmengine 1.0 and onedl-mmengine 1.0' in line
    assert 'pip uninstall -y mmengine onedl-mmengine, then install' in line


def test_doctor_finds_what_is_mixed_missing_or_twice(monkeypatch):
    both = ['opencv-python', 'opencv-python-headless']
    found = installed(monkeypatch, mmcv=['mmcv'], mmpretrain=[], cv2=both)
    text = '\n'.join(found)
    assert 'two lines of OpenMMLab together: mmcv of the old one' in text
    assert 'broken  no mmpretrain\n        -> pip install --no-deps' in text
    assert 'pip uninstall -y opencv-python opencv-python-headless' in text
    assert 'note    no mmdet: detection needs it' in text
    assert list(found.values()).count('broken') == 1


def test_doctor_says_what_keeps_the_package_from_being_imported(monkeypatch):
    def fail(name):
        raise ImportError('ccmim_mm needs mmcv >= 2, found 1: pip install x')

    monkeypatch.setattr(packages, 'import_module', fail)
    *_, last = packages.check_stack()
    assert last.level == 'broken'
    assert 'found 1: pip install x' in last.text


def test_doctor_tells_why_a_gpu_is_not_used(monkeypatch):
    monkeypatch.setattr(machine.shutil, 'which', lambda _: '/bin/nvidia-smi')
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert 'this torch is for CPUs' in machine._no_gpu(None).cure
    assert 'nvidia-smi' in machine._no_gpu('13.0').cure
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert 'unset' in machine._no_gpu('13.0').cure
    monkeypatch.setattr(machine.shutil, 'which', lambda _: None)
    assert machine._no_gpu('13.0').level == 'ok'


def test_doctor_tries_to_write(monkeypatch, tmp_path):
    assert folders.is_writable(tmp_path / 'not/yet/there')
    assert not any(tmp_path.iterdir())
    # Not even root may write there.
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/cache')
    found = [f for f in folders.check_folders() if f.text.startswith('cache')]
    assert [f.level for f in found] == ['note']
    assert found[0].cure == 'XDG_CACHE_HOME=DIR'


@pytest.mark.parametrize('level', ['note', 'broken'])
def test_doctor_exits_by_what_is_broken(level, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['ccmim', 'doctor'])
    checks = (lambda: [Finding(level, 'found', 'do it')],)
    monkeypatch.setattr(doctor, 'CHECKS', checks)
    if level == 'broken':
        with pytest.raises(SystemExit, match='1 broken'):
            cli.main()
    else:
        cli.main()
    assert f'{level:<8}found\n        -> do it' in capsys.readouterr().out
