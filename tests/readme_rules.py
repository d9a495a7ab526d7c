"""What each command of README's lines is to do: a rule for each.

Each takes the command's words and what starts it, which returns the runner
that came to its first step, if one did.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmseg.models import SegTTAModel
from PIL import Image
from readme_lines import README, extras, pinned
from readme_places import use
from run_helpers import a_run
from safetensors import safe_open

from ccmim_mm.checkpoints import detect_format, read_state_dict
from ccmim_tools import benchmark, demo
from ccmim_tools.benchmarks import commands
from ccmim_tools.config_names import find_config
from ccmim_tools.demo import generate_demo
from ccmim_tools.studies import expand, load_grid, select


def options_of(words):
    """Options by their names, each with the word behind it."""
    pairs = zip(words, [*words[1:], None], strict=True)
    return {name: value for name, value in pairs if name.startswith('--')}


def makes(words, start):
    _, target = words
    makefile = (ROOT / 'Makefile').read_text()
    assert re.search(rf'^{target}:', makefile, re.M)


def installs(words, start):
    """What is pinned, and extras that there are."""
    _, verb, *named = words
    assert verb == 'install'
    for name in named:
        if extra := re.fullmatch(r'CLONE\[(.+)\]', name):
            assert {*extra[1].split(',')} <= extras()
        else:
            assert name == '--no-deps' or name in pinned()


def trains(words, start):
    """It stands before its first step, as it was told."""
    # Tasks have folders of configs.
    config = words[2].removeprefix('configs/')
    use('SCENES' if '/' in config else 'MANY')
    runner = start(words)
    asked = options_of(words)
    if '--data' in asked:
        assert runner.cfg.data_root == asked['--data']
    if '--work-dir' in asked:
        assert Path(runner.work_dir) == Path(asked['--work-dir']).absolute()
    if '--pretrained' in asked:
        name = 'layers.3.ffn.layers.1.weight'
        found = runner.model.backbone.state_dict()[name].cpu()
        given = torch.load(asked['--pretrained'], mmap=True)['state_dict']
        assert torch.equal(found, given[f'backbone.{name}'])
    if '--epochs' in asked:
        assert runner.max_epochs == int(asked['--epochs'])
    if '--img-size' in asked:
        side = int(asked['--img-size'])
        assert {*runner.model.backbone.img_size} == {side}
    return runner


def judges(words, start):
    """A segmentor: it stands before its first picture."""
    runner = start(words)
    assert isinstance(runner.model, SegTTAModel) == ('--tta' in words)


def trains_for_the_next_line(words, start):
    """And leaves what it would have, called as that line calls it."""
    runner = trains(words, start)
    name = f'epoch_{runner.max_epochs}.pth'
    torch.save(runner.model.state_dict(), Path(runner.work_dir, name))
    Path('WORK_DIR').symlink_to(runner.work_dir)


def judges_a_work_dir(words, start):
    start(words)
    (found,) = Path('work_dirs/test').rglob('*.json')
    assert 0 <= json.loads(found.read_text())['linear_cls'] <= 100


def launches(words, start):
    """Eight processes a machine, and a training or a test in each."""
    _, launcher, *arguments = words
    assert Path(launcher).name == 'launch.py'
    assert '--nproc_per_node=8' in arguments
    tool = next(i for i, a in enumerate(arguments) if a.endswith('.py'))
    *rank, option, pytorch = arguments[tool:]
    assert (option, pytorch) == ('--launcher', 'pytorch')
    does = dict(train=trains, test=judges)[Path(rank[0]).stem]
    does(['python', *rank], start)
    return arguments[:tool]


def demonstrates(words, start):
    """With as many scenes as README says, of which a few are made."""
    asked = []

    def few(out, train, val, *rest):
        asked.extend((train, val))
        return generate_demo(out, 18, 6, *rest, workers=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, 'generate_demo', few)
        runner = start(words)
    assert f'{sum(asked):,} scenes' in README
    assert Path(runner.work_dir) == Path('work_dirs/demo').absolute()


def writes_features(words, start):
    start(words)
    *_, out, _, drawn = words
    with np.load(out) as found:
        count = len(found['paths'])
        assert found['cls'].shape == found['mean'].shape == (count, 768)
    assert len([*Path(drawn).rglob('*.png')]) == count > 0


def writes_a_page(words, start):
    start(words)
    asked = options_of(words)
    assert asked['--compare'] in Path(asked['--out']).read_text()


def draws_curves(words, start):
    start(words)
    assert Image.open(options_of(words)['--out']).format == 'PNG'


def converts(words, start):
    """Back and forth, to the bit."""
    start(words)
    target = read_state_dict(words[3])
    assert detect_format(target) == options_of(words).get('--to', 'project')
    if '--to' in words:
        first = read_state_dict('RELEASE.pth')
        assert target.keys() == first.keys()
        assert all(torch.equal(target[name], first[name]) for name in first)


def exports(words, start):
    start(words)
    out = Path(words[3])
    config = json.loads((out / 'config.json').read_text())
    assert config['hidden_size'] == 768
    with safe_open(out / 'model.safetensors', 'pt') as file:
        assert len([*file.keys()]) > 12 * 12


def examines(words, start):
    start(words)


def measures(words, start):
    """The line is understood; a tiny model is measured by it."""
    assert Path(find_config(benchmark.parse_args(words[2:]).config)).is_file()
    tiny = ['--config', str(ROOT / 'tests/tiny_config.py')]
    less = ['--batch-size', '2', '--repeats', '1', '--json', 'figures.json']
    if words[2] == 'data':
        less += ['--workers', '0', '2']
    if words[2] == 'compare':
        less += ['--precision', 'fp32', '--no-memory']
    with pytest.MonkeyPatch.context() as patch:
        # A product of this size, and a process that imports all again, take
        # longer than the rest.
        patch.setattr(commands, 'SIDES', dict(cpu=64, cuda=64))
        patch.setattr(commands, 'peak_mib', lambda *_: 1.0)
        start([*words, *tiny, *less])
    (found,) = json.loads(Path('figures.json').read_text()).values()
    assert found['rows']
    Path('figures.json').unlink()


def studies(words, start):
    """All is there that a run needs, two methods are as if they had run."""
    grid = expand(load_grid(words[3]))
    done = select(
        grid,
        datasets=['eurosat'],
        methods=['mae', 'ccmim'],
        seeds=[0, 1],
        stages=['pretrain'],
    )

    def finish(run, root, *_):
        if run in done:
            work_dir = a_run(run.work_dir(root))
            (work_dir / 'run.json').write_text(json.dumps(run.record))
            points = [
                dict(iter=i, knn_cls=40.0, knn_mean=41.0, linear_cls=42.0,
                     linear_mean=43.0 + i / 10 + run.seed)
                for i in (0, 30)
            ]  # fmt: skip
            summary = dict(epochs=6, iterations=30, evaluations=points)
            (work_dir / 'summary.json').write_text(json.dumps(summary))
            (work_dir / 'done').touch()
        return False

    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules['ccmim_tools.studies.execute']
        patch.setattr(module, '_run', finish)
        with pytest.raises(SystemExit, match='runs are not done'):
            start(words)


def reports(words, start):
    start(words)
    found = Path('work_dirs/study/report/results.csv').read_text()
    assert found.count('eurosat,ccmim,') == 2 * 2


RULES = {
    'make': makes,
    'pip': installs,
    'python tools/train.py': trains_for_the_next_line,
    'python tools/test.py': judges_a_work_dir,
    'bash tools/dist_train.sh': launches,
    'bash tools/dist_test.sh': launches,
    'bash tools/slurm_train.sh': launches,
    'ccmim demo': demonstrates,
    'ccmim train': trains,
    'ccmim features': writes_features,
    'ccmim look': writes_a_page,
    'ccmim curves': draws_curves,
    'ccmim convert': converts,
    'ccmim export': exports,
    'ccmim doctor': examines,
    'ccmim bench': measures,
    'ccmim study run': studies,
    'ccmim study report': reports,
}
