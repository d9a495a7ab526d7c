"""The command-line tools, as a user starts them."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from command_helpers import forked
from conftest import ROOT, TINY, build
from PIL import Image

from ccmim_tools.demo import generate_demo

pytestmark = pytest.mark.slow

CONFIG = 'tests/tiny_config.py'


def run(*command, **env):
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, 'PYTHON': sys.executable, **env},
        capture_output=True,
        text=True,
    )


def tool(name, *args, **env):
    command = [sys.executable, f'tools/{name}.py', *args]
    return forked(command, {**os.environ, **env})


@pytest.mark.parametrize(
    'name',
    [
        'train',
        'test',
        'make_demo_data',
        'extract_features',
        'analysis_tools/matches',
        'analysis_tools/mixtures',
        'analysis_tools/object_mask_share',
    ],
)
def test_help(name):
    result = tool(name, '--help')
    assert result.returncode == 0
    assert 'usage:' in result.stdout


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--data', 'no/such/folder'], 'no folder no/such/folder'),
        (['--device', 'cuda'], '--device cuda, but torch finds no GPU'),
        (['--data', 'docs', '--pretrained', 'no.pth'], 'no checkpoint no.pth'),
        (['--data', 'docs', '--resume', 'no.pth'], 'no checkpoint no.pth'),
        (
            ['--cfg-options', 'train_dataloader.dataset.max_pictures=9'],
            'a Seeded wrapper takes no max_pictures: set dataset.max_pictures',
        ),
    ],
)
def test_train_errors(args, message, tmp_path):
    result = tool(
        'train', CONFIG, '--work-dir', tmp_path, *args, CUDA_VISIBLE_DEVICES=''
    )
    assert result.returncode == 1
    assert f'error: {message}' in result.stderr
    assert 'Traceback' not in result.stderr


def test_test_errors(picture_folder):
    result = tool('test', CONFIG, 'no.pth', '--data', picture_folder)
    assert 'error: no checkpoint no.pth' in result.stderr
    result = tool('test', CONFIG, 'README.md', '--data', 'docs')
    assert 'docs has no labels' in result.stderr


def test_make_demo_data_errors(tmp_path):
    (tmp_path / 'mine.txt').touch()
    result = tool('make_demo_data', tmp_path)
    assert result.returncode != 0
    assert 'left untouched' in result.stderr


def test_train_then_test(picture_folder, tmp_path):
    common = ['--data', picture_folder, '--device', 'cpu']
    result = tool(
        'train', CONFIG, *common, '--work-dir', tmp_path,
        '--cfg-options', 'train_cfg.max_epochs=1',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    before, _, after = result.stdout.partition('\nepoch 1/1')
    assert len(before.splitlines()) < 25
    assert 'Finished.' in after
    (log,) = tmp_path.glob('*/*.log')
    # What is not on the screen; what is on it, too.
    for line in ('System environment:', 'Config:', 'Epoch(train) [1][3/3]'):
        assert line in log.read_text() and line not in result.stdout
    assert after[after.index('Finished.') :] in log.read_text()
    result = tool(
        'test', CONFIG, tmp_path / 'epoch_1.pth', *common,
        '--work-dir', tmp_path / 'test',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert 'linear_mean: 100' in result.stdout


def test_two_processes_on_the_cpu(picture_folder, tmp_path):
    script = ['bash', 'tools/dist_train.sh', CONFIG, 2]
    common = [
        '--device', 'cpu', '--data', picture_folder, '--work-dir', tmp_path,
        '--cfg-options', 'train_dataloader.batch_size=4',
    ]  # fmt: skip
    result = run(*script, *common, 'train_cfg.max_epochs=1')
    assert result.returncode == 0, result.stderr
    assert '2 gloo processes on the CPU' in result.stdout
    resumed = run(*script, *common, '--resume')
    assert resumed.returncode == 0, resumed.stderr
    assert 'resumed at iteration 3, epoch 1' in resumed.stdout
    assert (tmp_path / 'epoch_2.pth').exists()


@pytest.mark.parametrize(
    ('script', 'args', 'message'),
    [
        ('dist_train', [], 'usage: bash'),
        ('dist_test', [CONFIG], 'usage: bash'),
        ('slurm_train', [CONFIG], 'usage: bash'),
        ('dist_train', [CONFIG, 'x'], "got 'x'"),
    ],
)
def test_script_errors(script, args, message):
    result = run('bash', f'tools/{script}.sh', *args)
    assert result.returncode == 2
    assert message in result.stderr


def test_more_processes_than_gpus(tmp_path):
    """A stand-in for python that claims two GPUs."""
    fake = tmp_path / 'python'
    fake.write_text('#!/bin/sh\necho 2\n')
    fake.chmod(0o755)
    result = run('bash', 'tools/dist_train.sh', CONFIG, '4', PYTHON=str(fake))
    assert result.returncode == 2
    assert '4 processes for 2 GPUs: start 2' in result.stderr


def test_slurm_starts_torchrun_on_each_node(tmp_path):
    """A stand-in for srun shows what it would start."""
    fake = tmp_path / 'srun'
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    result = run(
        'bash', 'tools/slurm_train.sh', 'part', 'job', CONFIG, '--resume',
        PATH=f'{tmp_path}:{os.environ["PATH"]}', NODES='4',
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert '--nodes=4' in lines and '--gres=gpu:8' in lines
    assert lines[-2:] == [CONFIG, '--resume']


@pytest.mark.parametrize(
    ('given', 'cores'),
    [
        (['--work-dir', '{}'], {}),
        (['--work-dir', 'no', '--work-dir={}'], {'SLURM_CPUS_PER_TASK': '64'}),
        (['--work-dir=~/{0.name}'], {}),
    ],
)
def test_slurm_requeues_a_job_that_was_preempted(given, cores, tmp_path):
    """Stand-ins: srun asks for the signal, saves on it; scontrol speaks."""
    stubs = dict(
        srun=f"""
            trap 'echo USR1 > {tmp_path}/preempted; exit 75' USR1
            printf "%s\\n" "$@" > {tmp_path}/started
            kill -USR1 $PPID
            while :; do :; done""",
        scancel='exit 1',
        scontrol='[ "$1" = show ] && echo node0 || echo "$@"',
    )
    for name, body in stubs.items():
        (tmp_path / name).write_text(f'#!/bin/bash\n{body}\n')
        (tmp_path / name).chmod(0o755)
    given = [part.format(tmp_path) for part in given]
    result = run(
        'bash', 'tools/slurm_requeue.sh', CONFIG, *given,
        PATH=f'{tmp_path}:{os.environ["PATH"]}', SLURM_JOB_ID='7',
        SLURM_JOB_NODELIST='node[0-3]', SLURM_NNODES='4',
        HOME=str(tmp_path.parent), **cores,
    )  # fmt: skip
    assert result.stdout.splitlines() == ['USR1: requeueing', 'requeue 7']
    started = (tmp_path / 'started').read_text().splitlines()
    assert started[-len(given) - 2 :] == [CONFIG, *given, '--resume']
    (asked,) = cores.values() or ['96']
    assert f'--cpus-per-task={asked}' in started
    script = (ROOT / 'tools/slurm_requeue.sh').read_text()
    assert '#SBATCH --cpus-per-task=96\n' in script
    result = run('bash', 'tools/slurm_requeue.sh', CONFIG)
    assert result.returncode == 2
    assert 'usage: sbatch' in result.stderr
    result = run(
        'bash', 'tools/slurm_requeue.sh', CONFIG, '--work-dir', tmp_path,
        TOOLS='/none',
    )  # fmt: skip
    assert result.returncode == 2
    assert 'no /none/dist_train.sh: submit from' in result.stderr


def test_object_mask_share(finished_demo, tmp_path):
    data, checkpoint = finished_demo
    name = 'analysis_tools/object_mask_share'
    result = tool(name, CONFIG, checkpoint, '--data', data, '--draws', 5)
    assert result.returncode == 0, result.stderr
    share = float(result.stdout.splitlines()[-1].split()[0])
    assert 0.5 < share < 1
    result = tool(name, CONFIG, tmp_path / 'no.pth', '--data', data)
    assert result.stderr.splitlines()[-1].startswith('error: no checkpoint')


def test_mixtures(finished_demo, tmp_path):
    _, checkpoint = finished_demo
    data = generate_demo(tmp_path / 'scenes', 24, 24, workers=1)
    out = tmp_path / 'out'
    result = tool(
        'analysis_tools/mixtures', CONFIG, checkpoint, '--random',
        '--data', data, '--out', out, '--device', 'cpu',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert '(12 fitted and 12 judged pairs)' in result.stdout
    assert Image.open(out / 'mixtures.png').format == 'PNG'
    found = json.loads((out / 'mixtures.json').read_text())
    assert [*found['encoders']] == [str(checkpoint), 'random weights']
    for encoder in found['encoders'].values():
        rows = encoder['mixtures']
        assert [row['weight'] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5]
        assert all(-1 <= row['ds_dom'] <= 1 for row in rows)
        assert 0 < encoder['clean']['eta2'] < 1


@pytest.fixture
def finished_demo(tmp_path):
    """A few demo scenes and the checkpoint of an untrained model."""
    data = generate_demo(tmp_path / 'demo', 6, 12, workers=1)
    checkpoint = tmp_path / 'model.pth'
    torch.save(build(copy.deepcopy(TINY)).state_dict(), checkpoint)
    return data, checkpoint
