"""The benchmark measures what it says, by a clock that is no clock."""

import json
import logging
import runpy
from itertools import accumulate, count

import pytest
import reference
import torch
from conftest import ROOT, TINY, build
from mmengine.config import ConfigDict
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ccmim_mm.engine.hooks.compile_layers_hook import compile_layers
from ccmim_tools.benchmarks import NAMES, commands, timing
from ccmim_tools.benchmarks.contenders import build_contender
from ccmim_tools.benchmarks.flops import step_flops
from ccmim_tools.benchmarks.transcription import PlainCCMIM

pytestmark = pytest.mark.slow

CONFIG = str(ROOT / 'tests/tiny_config.py')
main = runpy.run_path(str(ROOT / 'tools/benchmark.py'))['main']


@pytest.fixture(autouse=True)
def _scope_and_logging(monkeypatch):
    monkeypatch.setitem(commands.SIDES, 'cpu', 64)
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
def test_flops_without_values_are_those_of_a_real_step(model_cfg, name):
    contender = build_contender(name, model_cfg, 2, 'cpu', 'fp32')
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        contender.step()
    counted = step_flops(name, model_cfg)
    assert 2 * counted['step'] == counter.get_total_flops()
    assert counted['step'] == counted['forward'] + counted['backward']


def test_flops_of_one_layer_by_hand(model_cfg):
    """16 patches of 8 x 8 x 3 values, 4 of them visible; width 32, FFN 64."""
    model_cfg.backbone.arch.num_layers = 1
    flops = step_flops('ccmim', model_cfg)
    # 16 patches x 192 values x 32.
    assert flops['embed'] == 196_608
    # CLS and 4 patches. Query, key, value: 5 x 32 x 96 products; two with
    # the map: 5 x 5 x 32; output: 5 x 32 x 32; FFN: two of 5 x 32 x 64.
    assert flops['visible'] == 2 * (15_360 + 2 * 800 + 5_120 + 2 * 10_240)
    # Read are keys of 17 tokens and the query of CLS: 18 x 32 x 32.
    assert flops['score'] == 36_864
    # Of 13 tokens only CLS is wanted: as above, for 1 of 13.
    assert flops['masked'] == 2 * (27_648 + 2 * 416 + 1_024 + 2 * 2_048)


def layer_flops(tokens, width, hidden):
    products = 4 * tokens * width**2 + 2 * tokens**2 * width
    return 2 * (products + 2 * tokens * width * hidden)


def test_flops_of_the_other_implementations_by_their_sizes(model_cfg):
    """They encode and decode whole layers."""
    decoder = 2 * 5 * 32 * 16 + 2 * layer_flops(17, 16, 64)
    ends = 196_608 + decoder + 2 * 17 * 16 * 192
    flops = step_flops('mmpretrain_mae', model_cfg)
    assert flops['forward'] == ends + 3 * layer_flops(5, 32, 64)
    # FFNs of four times the width; two projections, and logits of a batch
    # of two.
    encoder = 3 * sum(layer_flops(n, 32, 128) for n in (17, 5, 13))
    align = 2 * 2 * (32 * 32 + 32 * 256) + 2 * 2 * 256
    flops = step_flops('plain', model_cfg)
    assert flops['forward'] == ends + encoder + align


def test_backward_is_twice_the_forward_of_what_has_a_graph(model_cfg):
    mae = step_flops('mae', model_cfg)
    # But for the gradient of pixels.
    trained = mae['visible'] + mae['decoder']
    assert mae['backward'] == 2 * trained + mae['embed']
    exact = step_flops('ccmim', model_cfg)
    projector = 2 * (32 * 32 + 32 * 8)
    assert exact['backward'] == pytest.approx(
        mae['backward'] + 2 * projector, rel=1e-3
    )
    model_cfg['masked_grad'] = True
    both = step_flops('ccmim', model_cfg)
    assert both['forward'] == exact['forward']
    assert both['backward'] == pytest.approx(
        exact['backward'] + 2 * (exact['masked'] + projector), rel=1e-3
    )


@pytest.fixture
def clock(monkeypatch):
    """Goes 1 s, 2 s, 3 s … ahead whenever it is read."""
    readings = accumulate(count())
    for module in (commands, timing):
        monkeypatch.setattr(module, 'now', lambda device: next(readings))


@pytest.mark.usefixtures('clock')
def test_timing_takes_turns():
    calls = []
    tasks = {name: lambda name=name: calls.append(name) for name in 'ab'}
    seconds = timing.alternate(tasks, 'cpu', repeats=2, warmup=1)
    assert ''.join(calls) == 'ababab'
    assert seconds == dict(a=[5, 9], b=[7, 11])


def test_parts_are_timed_and_left_as_they_were(tiny_cfg):
    model = build(tiny_cfg)
    before = dict(vars(model.backbone))
    sums = {}
    parts = {'score': (model.backbone, 'score')}
    readings = count()
    with timing.metered(parts, lambda: next(readings), sums):
        model.loss(torch.randn(2, 3, 32, 32), [])
    assert sums == dict(score=1)
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


@pytest.mark.parametrize('content', ['no json', '[]', '{"images": []}'])
def test_figures_are_added_to_figures_alone(tmp_path, content):
    path = tmp_path / 'figures.json'
    path.write_text(content)
    with pytest.raises(SystemExit, match='is no file of figures'):
        figures(tmp_path, 'step')
    assert path.read_text() == content


@pytest.mark.usefixtures('clock')
def test_compare(model_cfg, tmp_path, capsys):
    result = figures(tmp_path, 'compare', '--no-memory')['compare']
    rows = {(r['contender'], r['precision']): r for r in result['rows']}
    assert len(rows) == 2 * len(NAMES) - 1 + 2
    assert rows['plain', 'fp32']['speed / plain'] == 1
    assert rows['mae', 'bf16']['time / mae'] == 1
    matmul = {p: rows['matmul', p]['GFLOP/s'] for p in ('fp32', 'bf16')}
    for (name, precision), row in rows.items():
        share = row['GFLOP/s'] / matmul[precision]
        assert row['share of matmul'] == pytest.approx(share)
        flops = 2 * 64**3
        if name != 'matmul':
            flops = 2 * step_flops(name, model_cfg)['step']
            assert row['pictures/s'] == pytest.approx(2e3 / row['ms'])
            mae = rows['mae', precision]['ms']
            assert row['time / mae'] == pytest.approx(row['ms'] / mae)
        assert row['GFLOP/s'] == pytest.approx(flops / row['ms'] / 1e6)
    assert result['setting']['date'] in capsys.readouterr().out


def test_compare_with_compiled_layers(tmp_path, monkeypatch):
    compiled = []

    def in_eager_mode(model):
        compiled.append(model)
        compile_layers(model, backend='eager')

    monkeypatch.setattr(commands, 'compile_layers', in_eager_mode)
    options = '--no-memory', '--compiled', '--precision', 'bf16'
    rows = figures(tmp_path, 'compare', *options)['compare']['rows']
    names = {row['contender'] for row in rows} - {'matmul'}
    assert names == {*NAMES, *(f'{n}_compiled' for n in NAMES)} - {
        'plain',
        'plain_compiled',
    }
    assert len(compiled) == len(NAMES) - 1


@pytest.mark.usefixtures('clock')
def test_a_step_by_its_parts(model_cfg, tmp_path):
    result = figures(tmp_path, 'step', '--precision', 'bf16')['step ccmim']
    rows = {row['part']: row for row in result['rows']}
    inner = ('embed', 'score', 'visible', 'masked', 'decoder', 'align')
    ms = {part: row['ms'] for part, row in rows.items()}
    assert ms.keys() == {*inner, 'reconstruction', 'forward', 'backward'} | {
        *('optimizer', 'step')
    }
    assert sum(ms[part] for part in inner) < ms['forward']
    whole = ms['forward'] + ms['backward'] + ms['optimizer']
    assert whole == ms['step']
    flops = step_flops('ccmim', model_cfg)
    for part in (*inner[:-1], 'forward', 'backward', 'step'):
        assert rows[part]['GFLOP/picture'] == flops[part] / 1e9 > 0
    assert result['setting']['peak_mib'] > 0


def test_data(tmp_path, picture_folder):
    result = figures(
        tmp_path,
        *('data', '--data', str(picture_folder), '--workers', '0', '1'),
        *('--pictures', '12', '--listing', '1500'),
    )
    rows = result['data']['rows']
    assert [row['workers'] for row in rows] == [0, 1]
    for row in rows:
        share = row['pipeline pictures/s'] / row['bare pictures/s']
        assert row['share'] == pytest.approx(share)
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


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(SystemExit, match='no GPU'):
        main(['compare', '--device', 'cuda'])
