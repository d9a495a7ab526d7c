"""Values on the command line: after ``--cfg-options``, and paths."""

import sys
from pathlib import Path

import pytest
from conftest import ROOT

from analysis_tools import object_mask_share
from ccmim_tools import cli
from ccmim_tools.command_line import read_overrides
from ccmim_tools.overrides import as_override
from ccmim_tools.start_up import work_dir_of


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        # What a text has inside stays.
        ('traffic light,car', ['traffic light', 'car']),
        ('/data/my cache', '/data/my cache'),
        (
            '[traffic light, [car (red), 2]]',
            ['traffic light', ['car (red)', 2]],
        ),
        ('  x  ', 'x'),
        ("it's", "it's"),
        ('f(a,b)', 'f(a,b)'),
        # Python's.
        ("{'type': 'x', 'k': 1}", {'type': 'x', 'k': 1}),
        ('[{"a": (1, 2)}, x]', [{'a': (1, 2)}, 'x']),
        ("'a, b'", 'a, b'),
        ("'a, b',c", ['a, b', 'c']),
        ("['a, b', 'c :)']", ['a, b', 'c :)']),
        ("'5'", '5'),
        # mmengine's.
        ('/data/a,b', ['/data/a', 'b']),
        ('1,2.5,1e-3', [1, 2.5, 1e-3]),
        ('[(1, 2), (3, 4)]', [(1, 2), (3, 4)]),
        ('(1,2),(3,4)', [(1, 2), (3, 4)]),
        ('(1)', (1,)),
        ('(a,b)', ('a', 'b')),
        ('5,', [5]),
        ('[None, true, False]', [None, True, False]),
        ('', ''),
        ('[]', []),
        # Data, never run.
        ('__import__("os").getcwd()', '__import__("os").getcwd()'),
        ('[print(1)]', ['print(1)']),
    ],
)
def test_a_value_comes_through_whole(text, value):
    found = read_overrides([f'a.b={text}', 'c==d e'])
    assert found == {'a.b': value, 'c': '=d e'}
    assert type(found['a.b']) is type(value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a', 'a: write KEY=VALUE'),
        ("a={'b': true}", 'is no dict: put its keys and texts in quotes'),
        ('a=x :),y', 'brackets do not match: put texts that have one in quo'),
        ('a=x),(y', 'brackets do not match'),
    ],
)
def test_a_value_that_is_none_costs_a_line(text, message):
    with pytest.raises(SystemExit, match=r'^error: --cfg-options') as ended:
        read_overrides([text])
    assert message in ended.value.code
    assert '\n' not in ended.value.code


def test_the_share_of_objects_reads_them_alike(monkeypatch):
    given = []

    def load(config, checkpoint, options, device):
        given.append(options)
        raise ValueError('enough')

    monkeypatch.setattr('ccmim_mm.apis.load_encoder', load)
    words = ['', 'x.py', 'x.pth', '--cfg-options', 'classes=a b,c', 'd=1']
    monkeypatch.setattr('sys.argv', words)
    with pytest.raises(SystemExit, match='enough'):
        object_mask_share.main()
    assert given == [{'classes': ['a b', 'c'], 'd': 1}]


@pytest.mark.parametrize(
    'value',
    [
        *('RandomMaskSampler', '/data/a,b', '1', '[1]', "it's, so", '{a', ''),
        *('None', 'true', 'a b', 3, 0.5, None, True, ['a,b', 1], {'a': '1'}),
    ],
)
def test_an_override_comes_through_as_it_is(value):
    assert read_overrides([as_override('x.y', value)]) == {'x.y': value}
    plain = as_override('type', 'RandomMaskSampler')
    assert plain == 'type=RandomMaskSampler'


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        (['train', 'ccmim_vit-b', '--data', ''], 'data'),
        (['train', 'ccmim_vit-b', '--data=x', '--work-dir='], 'work-dir'),
        (['test', 'ccmim_vit-b', 'LICENSE', '--data', ''], 'data'),
        (['features', 'ccmim_vit-b', 'LICENSE', '', 'x.npz'], 'data'),
        (['look', 'LICENSE', ''], 'data'),
        (['pack', '', 'x'], 'data'),
        (['curves', 'docs', ''], 'runs'),
    ],
)
def test_an_empty_path_is_no_folder(arguments, name, monkeypatch):
    """As of a variable that is not set."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', ['ccmim', *arguments])
    monkeypatch.setattr('ccmim_tools.train.leave_when_asked', lambda _: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == f'error: {name} is empty: give a path'


def test_paths_after_an_equals_sign_may_begin_at_home(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setattr(
        'ccmim_mm.apis.curves.draw_curves', lambda *args: asked.extend(args)
    )
    monkeypatch.setattr(
        sys, 'argv', ['ccmim', 'curves', '~/a', 'b~', '--out=~/x/c.png']
    )
    cli.main()
    assert asked[:2] == [[f'{tmp_path}/a', 'b~'], f'{tmp_path}/x/c.png']
    assert work_dir_of(['--work-dir=~/x']) == Path(tmp_path, 'x')
