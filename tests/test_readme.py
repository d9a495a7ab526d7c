"""README's blocks do what they say: every line of every one is run.

A line that no rule knows fails. What trains at its published size does so up
to its first step, in one process.
"""

import contextlib
import logging
import re
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import loops
from readme_lines import (
    README,
    blocks,
    called,
    extras,
    override,
    pinned,
    rule_of,
)
from readme_places import make_places, use
from readme_rules import RULES
from yapf.yapflib import yapf_api

from ccmim_mm.engine.runner.resumable_loops import (
    ResumableEpochTrainLoop,
    ResumableIterTrainLoop,
)
from ccmim_tools import cli

pytestmark = pytest.mark.slow

BLOCKS = blocks()


def _picture(runner):
    return runner.train_dataloader.dataset.get_data_info(0)['img_path']


def _backends(runner):
    kinds = [dict(type=name) for name in runner.visualizer._vis_backends]
    return str(kinds).replace(' ', '')


#: What of a built training has the value of an override.
BUILT = {
    'model.mask_sampler.type': lambda r: type(r.model.mask_sampler).__name__,
    'model.align_head': lambda r: r.model.align_head,
    'model.backbone.score_layers': lambda r: r.model.backbone.score_layers,
    'model.align_patches': lambda r: r.model.align_patches,
    'model.masked_grad': lambda r: r.model.masked_grad,
    'model.backbone.with_cp': lambda r: r.model.backbone.with_cp,
    'optim_wrapper.precision': lambda r: (
        'bf16' if r.optim_wrapper.bf16 else 'fp32'
    ),
    'data_root': lambda r: Path(_picture(r)).parts[0],
    'visualizer.vis_backends': _backends,
}


class ReachedError(Exception):
    """The first step of a training, or the first picture of a test."""


@pytest.fixture(scope='module')
def places(tmp_path_factory):
    return make_places(tmp_path_factory.mktemp('places'))


@pytest.fixture
def here(places, tmp_path, monkeypatch):
    """A folder with all that README names, which lines write into."""
    for path in places.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start(here, monkeypatch):
    """Starts a command in this process.

    Returns the runner that came to its first step, where it stops.
    """
    runners = []

    def stop(loop):
        # Read, transformed and packed as the step would have it.
        loop.dataloader.dataset[0]
        runners.append(loop.runner)
        raise ReachedError

    for loop in (
        ResumableEpochTrainLoop,
        ResumableIterTrainLoop,
        loops.TestLoop,
    ):
        monkeypatch.setattr(loop, 'run', stop)
    # Prettier configs take a second each.
    monkeypatch.setattr(yapf_api, 'FormatCode', lambda text, **_: (text, True))
    for name in ('leave_when_asked', 'ignore_signals'):
        monkeypatch.setattr(f'ccmim_tools.train.{name}', lambda *_: None)

    def run(words):
        runners.clear()
        program, *arguments = words
        argv = words if program == 'ccmim' else arguments
        monkeypatch.setattr(sys, 'argv', [*argv])
        with (
            DefaultScope.overwrite_default_scope('mmpretrain'),
            contextlib.suppress(ReachedError),
        ):
            if program == 'ccmim':
                cli.main()
            else:
                runpy.run_path(arguments[0], run_name='__main__')
        # Of runs that begin in the same second they would be shared.
        for runner in runners:
            for kind in (MMLogger, MessageHub, type(runner.visualizer)):
                kind._instance_dict.clear()
        return runners[0] if runners else None

    yield run
    # Benchmarks silence it.
    logging.disable(logging.NOTSET)


def overrides(text, start):
    """An override is in the model, or wherever it belongs."""
    use('MANY')
    key, value = text.split('=')
    # 49 of 147 patches: the demo has 48.
    small = key != 'model.align_patches'
    name = 'ccmim_vit-tiny_demo' if small else 'ccmim_vit-b'
    data = [] if key == 'data_root' else ['--data', 'DIR']
    runner = start(['ccmim', 'train', name, *data, '--cfg-options', text])
    assert str(BUILT[key](runner)) == value


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
@pytest.mark.parametrize(
    'block',
    [b for b in BLOCKS if b.language == 'bash'],
    ids=lambda block: block.lines[0].split('  ')[0],
)
def test_bash(block, here, start):
    for line in block.lines:
        if text := override(line):
            overrides(text, start)
        else:
            rule = RULES[rule_of(line, RULES)]
            rule(called(line, here), start)


def test_python(here):
    """What comments say of shapes holds."""
    code = '\n'.join(b.text for b in BLOCKS if b.language == 'python')
    code, count = re.subn(
        r'^(\S.*?)  # (\(.*\))$', r'assert \1.shape == \2', code, flags=re.M
    )
    assert count == 2
    exec(compile(code, 'README.md', 'exec'), {})


def test_every_block_is_of_a_language_that_is_run():
    assert {block.language for block in BLOCKS} == {'bash', 'python'}
    assert README.count('```') == 2 * len(BLOCKS)


@pytest.mark.parametrize(
    'line', ['ccmim lok X', 'rm -rf X', 'X=1', 'python x.py']
)
def test_a_line_without_a_rule(line):
    with pytest.raises(LookupError, match=f'0 rules for this line: {line}'):
        rule_of(line, RULES)


def test_what_the_text_pins_and_adds_is_there():
    """Outside of the blocks too."""
    versions = re.findall(r'[\w-]+==[\d.]+\d', README)
    assert versions and {*versions} <= pinned()
    for names in re.findall(r'CLONE\[([\w,]+)\]', README):
        assert {*names.split(',')} <= extras()
