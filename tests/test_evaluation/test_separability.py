"""The measures of mixtures, on latents whose figures are known."""

import shutil

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from PIL import Image

from analysis_tools import mixtures
from ccmim_mm.apis import judge_mixtures, load_encoder, load_pairs
from ccmim_mm.apis.pairs import pair_classes
from ccmim_mm.evaluation import (
    PairLatents,
    class_share,
    fit_linear_probe,
    ident,
    measure_separability,
    own_class_lead,
    regress,
    superposition,
)
from ccmim_mm.evaluation.ridge import PENALTIES
from ccmim_mm.models import MaskedMethod

CONFIG = ROOT / 'tests/tiny_config.py'


def gaussian(weight=0.3, rho=0.0, count=800, seed=0):
    """Pictures, coloured and correlated, through a random linear encoder."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (count, 16, 6), (count, 16, 6), (6, 6), (6, 8), (16, 8)
    x, y, colours, encoder, place = (
        torch.randn(shape, generator=generator) for shape in shapes
    )
    y = rho * x + (1 - rho**2) ** 0.5 * y

    def encode(pictures):
        return pictures @ colours @ encoder + 5 * place

    mixed = encode(weight * x + (1 - weight) * y)
    latents = PairLatents(mixed, encode(x), encode(y))
    half = count // 2
    return (
        PairLatents(*(part[:half] for part in latents)),
        PairLatents(*(part[half:] for part in latents)),
    )


def test_a_linear_encoder_separates_nothing():
    found, sub, dom = measure_separability(*gaussian(), 0.3)
    assert found.r2_sub == pytest.approx(0.155, abs=0.02)
    assert found.r2_dom == pytest.approx(0.845, abs=0.02)
    assert found.ls == pytest.approx(0, abs=0.02)
    assert found.rho == pytest.approx(0, abs=0.02)
    assert sub.shape == dom.shape == (400, 16, 8)


def test_superposition_of_correlated_pictures():
    found, *_ = measure_separability(*gaussian(rho=0.5), 0.3)
    # Covariances with the mixture, by hand: .3 + .7 / 2, .7 + .3 / 2.
    shares = 0.65**2 / 0.79, 0.85**2 / 0.79
    assert superposition(0.3, 0.5) == pytest.approx(shares)
    assert sum(superposition(0.3)) == pytest.approx(1)
    assert found.rho == pytest.approx(0.5, abs=0.02)
    assert found.r2_sub == pytest.approx(shares[0], abs=0.02)
    assert found.r2_dom == pytest.approx(shares[1], abs=0.02)
    assert found.ls == pytest.approx(0, abs=0.02)


def test_a_code_of_both_pictures_is_separable():
    both = [
        part._replace(mixed=torch.cat((part.sub, part.dom), -1))
        for part in gaussian()
    ]
    found, *_ = measure_separability(*both, 0.3)
    assert found.r2_sub > 0.99 and found.r2_dom > 0.99
    assert found.ls == pytest.approx(1, abs=0.03)


def plain_ridge(x, y, penalty):
    moments = x.T @ x
    scale = np.trace(moments) / len(moments)
    return np.linalg.solve(moments + penalty * scale * np.eye(len(moments)),
                           x.T @ y)  # fmt: skip


def test_the_ridge_equals_one_fit_for_each_fold_and_penalty():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(11, 3, 6, generator=generator)
    y = x @ torch.randn(6, 4, generator=generator)
    y += 4 * torch.randn(11, 3, 4, generator=generator)
    (found,) = regress(x, [y])
    a, b = (v.double().numpy() for v in (x - x.mean(0), y - y.mean(0)))
    errors = []
    for penalty in PENALTIES:
        error = 0
        for held in np.array_split(np.arange(11), 5):
            rest = np.setdiff1d(np.arange(11), held)
            w = plain_ridge(a[rest].reshape(-1, 6), b[rest].reshape(-1, 4),
                            penalty)  # fmt: skip
            error += ((b[held] - a[held] @ w) ** 2).sum()
        errors.append(error)
    assert found.penalty == PENALTIES[np.argmin(errors)] > PENALTIES[0]
    expected = plain_ridge(a.reshape(-1, 6), b.reshape(-1, 4), found.penalty)
    np.testing.assert_allclose(found.weight, expected, rtol=1e-4, atol=1e-6)


def test_what_is_the_same_at_a_position_is_no_separation():
    """Latents of nothing but their position and noise."""
    generator = torch.Generator().manual_seed(2)
    place = 3 * torch.randn(16, 8, generator=generator)
    x, y, z = place + torch.randn(3, 400, 16, 8, generator=generator)
    found, *_ = measure_separability(
        PairLatents(x[:200], y[:200], z[:200]),
        PairLatents(x[200:], y[200:], z[200:]),
        0.3,
    )
    assert abs(found.r2_sub) < 0.02 and abs(found.r2_dom) < 0.02
    a, b = (v.flatten(0, 1).numpy() for v in (x, y))
    half = len(a) // 2
    a, b = a - a[:half].mean(0), b - b[:half].mean(0)
    left = b[half:] - a[half:] @ plain_ridge(a[:half], b[:half], 1e-4)
    assert 1 - (left**2).sum() / (b[half:] ** 2).sum() > 0.3


def test_regressed_latents_of_a_linear_encoder_are_the_dominants():
    fitted, judged = gaussian()
    _, sub, dom = measure_separability(fitted, judged, 0.3)
    mean = (judged.sub.mean(0) + judged.dom.mean(0)) / 2
    assert ident(sub, judged.sub, judged.dom, mean) < 0.05
    assert ident(dom, judged.dom, judged.sub, mean) > 0.95
    assert ident(judged.sub, judged.sub, judged.dom, mean) == 1
    other = judged.mixed.flip(0)
    share = ident(other, judged.sub, judged.dom, mean)
    assert share == pytest.approx(0.5, abs=0.1)


def test_semantics_from_nothing_to_all():
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(5, (2000,), generator=generator)
    codes = torch.eye(5)[labels]
    shuffled = labels[torch.randperm(2000, generator=generator)]
    assert class_share(codes, labels) == pytest.approx(1)
    assert class_share(codes, shuffled) == pytest.approx(4 / 1999, abs=0.005)
    classify = fit_linear_probe(codes, labels)
    other = (labels + 1) % 5
    assert own_class_lead(classify, codes, labels, other) == 1
    assert own_class_lead(classify, codes, other, labels) == -1
    nothing = own_class_lead(classify, codes, shuffled, (shuffled + 1) % 5)
    assert nothing == pytest.approx(0, abs=0.05)


def test_eta_squared_equals_the_sum_over_classes():
    x = np.random.default_rng(0).normal(size=(30, 4))
    labels = np.arange(30) % 3 * 4
    x[labels == 4] += 1
    between = sum(
        10 * ((x[labels == c].mean(0) - x.mean(0)) ** 2).sum()
        for c in (0, 4, 8)
    )
    expected = between / ((x - x.mean(0)) ** 2).sum()
    found = class_share(torch.from_numpy(x), torch.from_numpy(labels))
    assert found == pytest.approx(expected)


def test_latents_that_say_nothing_are_refused():
    fitted, judged = gaussian(count=40)
    with pytest.raises(ValueError, match='4 pairs: fit on 5 or more'):
        regress(fitted.mixed[:4], [fitted.sub[:4]])
    with pytest.raises(ValueError, match='all mixtures are alike'):
        regress(torch.ones_like(fitted.mixed), [fitted.sub])
    broken = judged.mixed.clone()
    broken[3, 1, 2] = float('nan')
    with pytest.raises(ValueError, match='1 of 20 features are not finite'):
        measure_separability(fitted, judged._replace(mixed=broken), 0.3)


@pytest.mark.parametrize('most', [1, 10, 16])
def test_pairs_of_two_classes(most):
    """Of 20 pictures so many in one class, the others spread over four."""
    labels = torch.cat((torch.zeros(most), 1 + torch.arange(20 - most) % 4))
    labels = labels[torch.randperm(20, generator=torch.Generator())]
    first, second = pair_classes(labels)
    assert len(first) == len(second) == min(10, 20 - most)
    assert (labels[first] != labels[second]).all()
    assert len({*first.tolist(), *second.tolist()}) == 2 * len(first)


@pytest.fixture(scope='module')
def cfg():
    return Config.fromfile(CONFIG)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """train/ and val/ of 24 pictures in three classes each, one broken."""
    root = tmp_path_factory.mktemp('mixtures')
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for channel, name in enumerate(('red', 'green', 'blue')):
            (root / split / name).mkdir(parents=True)
            for i in range(8):
                pixels = rng.integers(0, 120, (32, 32, 3), np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(root / split / name / f'{i}.png')
    (root / 'train/red/0.png').write_bytes(b'no picture')
    return root


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    return load_encoder(CONFIG, device='cpu')


def test_pairs_of_a_folder(cfg, folder):
    first, again, other = (
        load_pairs(cfg, folder, 10, seed) for seed in (0, 0, 1)
    )
    for part, same in zip(first, again, strict=True):
        assert part.sub.shape == part.dom.shape == (10, 3, 32, 32)
        assert torch.equal(part.sub, same.sub)
        assert torch.equal(part.dom, same.dom)
        assert (part.labels[0] != part.labels[1]).all()
        # Channels are BGR, as the classes' names are sorted.
        colours = part.sub.float().mean((2, 3)).argmax(1)
        assert torch.equal(colours, part.labels[0])
        pictures = torch.cat((part.sub, part.dom)).flatten(1)
        assert len(pictures.unique(dim=0)) == 20
    assert not torch.equal(first[1].sub, other[1].sub)


def test_pairs_without_labels(cfg, folder, tmp_path):
    """Of one folder; the halves share no picture."""
    for split in ('train', 'val'):
        shutil.copytree(folder / split, tmp_path / f'all/{split}')
    fitted, judged = load_pairs(cfg, tmp_path, 10)
    assert fitted.labels is None and judged.labels is None
    sides = torch.cat((*fitted[:2], *judged[:2])).flatten(1)
    assert len(sides.unique(dim=0)) == len(sides) == 40
    with pytest.raises(ValueError, match='gives 6 pairs, 10 are needed'):
        load_pairs(cfg, folder / 'val', 10)
    with pytest.raises(ValueError, match='9 pairs are too few: ask for 10'):
        load_pairs(cfg, folder, 9)


def test_an_encoder_is_judged(cfg, folder, encoder):
    pairs = load_pairs(cfg, folder, 10)
    found = judge_mixtures(encoder, *pairs)
    assert found == judge_mixtures(encoder, *pairs)
    assert found['latents'] == 'regressed'
    assert found['clean']['probe'] > 0.9
    rows = found['mixtures']
    assert [row['weight'] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert rows[0]['ident_dom'] == 1 and rows[0]['r2_dom'] > 0.7
    assert rows[0]['ds_dom'] > 0.8
    bare = judge_mixtures(encoder, *(p._replace(labels=None) for p in pairs))
    assert 'clean' not in bare and 'ds_sub' not in bare['mixtures'][0]
    assert bare['mixtures'][2]['ls'] == rows[2]['ls']


def test_branches_answer_for_themselves(cfg, folder, encoder, monkeypatch):
    """Two branches that say the same are right about one picture each."""

    def alike(model, inputs):
        (tokens,) = model.extract_feat(inputs)
        return tokens[:, 1:], tokens[:, 1:]

    monkeypatch.setattr(MaskedMethod, 'branch_latents', alike)
    pairs = load_pairs(cfg, folder, 10)
    found = judge_mixtures(encoder, *pairs, weights=[0.1, 0.4])
    assert found['latents'] == 'branches'
    for row in found['mixtures']:
        assert row['ident_sub'] == pytest.approx(1 - row['ident_dom'])
        assert row['ds_sub'] == pytest.approx(-row['ds_dom'])
    assert found['mixtures'][0]['ident_dom'] == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'name a checkpoint, or --random'),
        (['no.pth'], 'no checkpoint no.pth'),
        (['--random', '--pairs', '3'], '3 pairs are too few'),
        (['--random', '--out', 'docs'], 'docs exists and is left untouched'),
        (['--random', '--data', 'no'], 'no folder no'),
    ],
)
def test_the_command_refuses(options, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    out = tmp_path / 'out'
    paths = ['--data', str(folder), '--out', str(out)]
    monkeypatch.setattr('sys.argv', ['', str(CONFIG), *paths, *options])
    with pytest.raises(SystemExit, match=f'^error: {message}'):
        mixtures.main()
    assert not out.exists()
