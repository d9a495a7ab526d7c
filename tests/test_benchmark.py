"""The benchmark measures what it says: no times are asserted here."""

import json
import logging
import runpy

import pytest
import reference
import torch
from conftest import ROOT, TINY, build
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.contenders import NAMES, build_contender, resize
from benchmarks.flops import counted_flops, step_flops
from benchmarks.timing import alternate, timed
from benchmarks.transcription import PlainCCMIM

CONFIG = str(ROOT / 'tests/tiny_config.py')
main = runpy.run_path(str(ROOT / 'tools/benchmark.py'))['main']


@pytest.fixture(autouse=True)
def _scope_and_logging():
    init_default_scope('mmpretrain')
    yield
    # The tool silences it.
    logging.disable(logging.NOTSET)


@pytest.fixture
def model_cfg():
    return ConfigDict(
        {k: v for k, v in TINY.items() if k != 'data_preprocessor'}
    )


def test_the_transcription_computes_the_releases_step():
    state = reference.random_state(out=256)
    names = {
        'patch_embed.proj.': 'patch_embed.',
        'mlp.fc1': 'mlp.0',
        'mlp.fc2': 'mlp.2',
    }
    renamed = {}
    for name, value in state.items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name] = value
    # The reference's encoder widens its FFN by 2, the release by 4.
    state, renamed = widen(state), widen(renamed)
    plain = PlainCCMIM(32, 3, 4, 32, 8, decoder=(16, 2, 2))
    plain.load_state_dict(renamed, strict=True)
    images = torch.randn(6, 3, 32, 32)
    torch.manual_seed(1)
    losses = plain(images)
    torch.manual_seed(1)
    noise = torch.rand(6, 16)
    expected = reference.step(state, images, noise)
    for name in ('loss_rec', 'loss_align'):
        torch.testing.assert_close(
            losses[name], expected[name], rtol=1e-5, atol=0
        )


def widen(state):
    """The encoder's FFNs with as many hidden units again, of no effect."""
    wide = dict(state)
    for name, value in state.items():
        if name.startswith('blocks') and 'mlp' in name:
            hidden = 1 if name.endswith(('2.weight', 'fc2.weight')) else 0
            if value.shape[hidden:] and value.shape[hidden] == 64:
                wide[name] = torch.cat(
                    (value, torch.zeros_like(value)), hidden
                )
    return wide


@pytest.mark.parametrize('name', NAMES)
def test_analytic_flops_are_what_torch_counts(model_cfg, name):
    """With attention as matrix products, which the counter knows."""
    model_cfg = resize(model_cfg, 64)
    # Wide enough for the products to outweigh what is not counted.
    contender = build_contender(name, model_cfg, 4, 'cpu', 'fp32')
    twin = dict(plain='ccmim', mmpretrain_mae='mae').get(name, name)
    twin = build_contender(twin, model_cfg, 1, 'cpu', 'fp32').model
    if name == 'plain':
        for layer in twin.backbone.layers:
            # The transcription's FFN is four times as wide as the model.
            layer.ffn.layers[0][0].out_features = 128
    with sdpa_kernel(SDPBackend.MATH):
        counted = counted_flops(contender) / 4
    expected = sum(step_flops(name, twin).values())
    assert counted == pytest.approx(expected, rel=0.02)


def test_a_gradient_into_the_masked_branch_is_counted(model_cfg):
    model_cfg = resize(model_cfg, 64)
    model_cfg['masked_grad'] = True
    contender = build_contender('ccmim', model_cfg, 4, 'cpu', 'fp32')
    with sdpa_kernel(SDPBackend.MATH):
        counted = counted_flops(contender) / 4
    expected = sum(step_flops('ccmim', contender.model).values())
    assert counted == pytest.approx(expected, rel=0.02)


def test_timing_takes_turns():
    calls = []
    tasks = {name: lambda name=name: calls.append(name) for name in 'ab'}
    seconds = alternate(tasks, 'cpu', repeats=2, warmup=1)
    assert ''.join(calls) == 'ababab'
    assert [len(seconds[name]) for name in 'ab'] == [2, 2]


def test_parts_are_timed_and_left_as_they_were(tiny_cfg):
    model = build(tiny_cfg)
    before = dict(vars(model.backbone))
    sums = {}
    with timed({'score': (model.backbone, 'score')}, 'cpu', sums):
        model.loss(torch.randn(2, 3, 32, 32), [])
    assert sums['score'] > 0
    assert vars(model.backbone) == before


def figures(tmp_path, *arguments):
    path = tmp_path / 'figures.json'
    main(
        [
            *arguments,
            *('--config', CONFIG, '--batch-size', '2', '--repeats', '1'),
            *('--device', 'cpu', '--json', str(path)),
        ]
    )
    return json.loads(path.read_text())


def test_compare(tmp_path, capsys):
    result = figures(tmp_path, 'compare', '--no-memory')['compare']
    rows = {(r['contender'], r['precision']): r for r in result['rows']}
    assert len(rows) == 2 * len(NAMES) - 1 + 2
    assert rows['plain', 'fp32']['speed / plain'] == 1
    assert rows['mae', 'bf16']['time / mae'] == 1
    assert rows['ccmim', 'fp32']['share of matmul'] > 0
    assert result['setting']['date'] in capsys.readouterr().out


def test_step_and_data(tmp_path, picture_folder):
    result = figures(tmp_path, 'step', '--precision', 'bf16')['step ccmim']
    rows = {row['part']: row for row in result['rows']}
    parts = ('score', 'visible', 'masked', 'decoder', 'backward', 'optimizer')
    assert all(0 < rows[p]['ms'] < rows['step']['ms'] for p in parts)
    assert result['setting']['peak_mib'] > 0
    result = figures(
        tmp_path,
        *('data', '--data', str(picture_folder), '--workers', '0', '1'),
        *('--pictures', '12', '--listing', '1500'),
    )
    assert [row['workers'] for row in result['data']['rows']] == [0, 1]
    assert all(row['share'] > 0 for row in result['data']['rows'])
    assert result['listing']['rows'][0]['names'] == 1500


def test_growth(tmp_path):
    result = figures(
        tmp_path, 'growth', '--batches', '2', '4', '--sizes', '32', '64'
    )
    batch = result['growth with the batch']['rows']
    assert [row['expected'] for row in batch] == [1, 2]
    assert [
        row['size'] for row in result['growth with the ranks']['rows']
    ] == [
        '1 rank',
        '2 ranks',
    ]


def test_a_gpu_that_is_not_there():
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match='no GPU'):
            main(['compare', '--device', 'cuda'])
