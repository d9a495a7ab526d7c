"""Matches of patches, against crops whose true partners are known."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from PIL import Image
from torch import nn

from analysis_tools import matches
from ccmim_mm.apis import Encoder, judge_matches, load_encoder
from ccmim_mm.apis.matches import cut
from ccmim_mm.evaluation import Crops, match_agreement, true_cells

CONFIG = ROOT / 'tests/tiny_config.py'


def crops(*boxes, flipped=()):
    flags = [i in flipped for i in range(len(boxes))]
    return Crops(torch.tensor(boxes, dtype=torch.float), torch.tensor(flags))


def test_true_cells_of_a_shift():
    """A crop half a side further right shows the left half of the first."""
    cells = true_cells(crops((0, 0, 8, 8)), crops((0, 4, 8, 8)), (4, 4))
    columns = cells[0, :, 1].view(4, 4)
    assert columns.tolist() == [[-2, -1, 0, 1]] * 4
    rows = cells[0, :, 0].view(4, 4)
    assert rows.tolist() == [[i] * 4 for i in range(4)]


def test_true_cells_of_a_flip_and_a_zoom():
    whole, corner = (0, 0, 8, 8), (0, 0, 4, 4)
    cells = true_cells(crops(whole), crops(whole, flipped=[0]), (4, 4))
    assert cells[0, :, 1].view(4, 4).tolist() == [[3, 2, 1, 0]] * 4
    both = true_cells(
        crops(whole, flipped=[0]), crops(whole, flipped=[0]), (4, 4)
    )
    assert both[0, :, 1].view(4, 4).tolist() == [[0, 1, 2, 3]] * 4
    zoomed = true_cells(crops(corner), crops(whole), (4, 4))
    assert zoomed[0, :, 1].view(4, 4).tolist() == [[0, 0, 1, 1]] * 4


def test_true_cells_of_real_crops():
    """A picture whose pixels say where they are finds them in both views."""
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    picture = torch.from_numpy(np.stack([rows, columns, rows]))
    pictures = picture.expand(20, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    (first, one), (second, other) = (
        cut(pictures, generator) for _ in range(2)
    )
    assert one.flipped.any() and not one.flipped.all()
    cells = true_cells(one, other, (4, 4))
    checked = 0
    for k in range(20):
        for index, cell in enumerate(cells[k].tolist()):
            if min(cell) < 0 or max(cell) > 3:
                continue
            y, x = divmod(index, 4)
            # Pixels of the middle of the cell, and of the other's.
            own = first[k, :2, 8 * y + 3 : 8 * y + 5, 8 * x + 3 : 8 * x + 5]
            top, left = 8 * cell[0], 8 * cell[1]
            there = second[k, :2, top : top + 8, left : left + 8]
            slack = 0.6
            for place, area in zip(own.mean((1, 2)), there, strict=True):
                assert area.min() - slack <= place <= area.max() + slack
            checked += 1
    assert checked > 50


def loop(features, cells):
    """Shares of exact and near matches, one cell after another."""
    exact, near = [], []
    for one, other, true in zip(*features, cells, strict=True):
        for query, (y, x) in zip(one.numpy(), true.tolist(), strict=True):
            if not (0 <= y < 3 and 0 <= x < 3):
                continue
            norms = np.linalg.norm(other, axis=1) * np.linalg.norm(query)
            found = int((other.numpy() @ query / norms).argmax())
            exact.append(found == 3 * y + x)
            near.append(abs(found // 3 - y) <= 1 and abs(found % 3 - x) <= 1)
    return np.mean(exact), np.mean(near)


def test_agreement_equals_a_loop():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 30, 9, 5, generator=generator)
    pictures = torch.rand(30, 3, 24, 24, generator=generator)
    views = [cut(pictures, generator)[1] for _ in range(2)]
    found = match_agreement(
        (features[0], features[1]), (views[0], views[1]), (3, 3)
    )
    exact, near = loop(features, true_cells(*views, (3, 3)))
    assert found.exact == pytest.approx(exact)
    assert found.near == pytest.approx(near)
    assert found.exact_chance == pytest.approx(1 / 9)
    assert found.exact_chance < found.near_chance < 1


def test_agreement_at_its_ends():
    """Of one crop twice: its own features, and their mirror."""
    own = torch.randn(5, 16, 6, generator=torch.Generator().manual_seed(0))
    same = crops(*[(0, 0, 8, 8)] * 5)
    best = match_agreement((own, own), (same, same), (4, 4))
    assert best.exact == best.near == best.same_index == 1
    assert best.same_index_true == 1
    worst = match_agreement((own, own.flip(1)), (same, same), (4, 4))
    assert worst.exact == worst.same_index == 0
    with pytest.raises(ValueError, match='15 patches are no grid of 4 x 4'):
        match_agreement((own[:, 1:], own[:, 1:]), (same, same), (4, 4))
    apart = crops(*[(20, 20, 8, 8)] * 5)
    with pytest.raises(ValueError, match='no cell is in both views'):
        match_agreement((own, own), (same, apart), (4, 4))


def test_agreement_of_an_oblong_grid():
    """4 x 16 patches, whose number is a square's, and 3 x 5, seen flipped."""
    for rows, columns in ((4, 16), (3, 5)):
        own = torch.eye(rows * columns).expand(2, -1, -1)
        mirrored = own.unflatten(1, (rows, columns)).flip(2).flatten(1, 2)
        whole = [(0, 0, 8 * rows, 8 * columns)] * 2
        found = match_agreement(
            (own, mirrored),
            (crops(*whole), crops(*whole, flipped=(0, 1))),
            (rows, columns),
        )
        assert found.exact == found.near == 1
        # Those in the middle of an odd number of columns.
        assert found.same_index == pytest.approx(columns % 2 / columns)


class Pooled(nn.Module):
    """An encoder whose features are the means of patches of 8 pixels."""

    def data_preprocessor(self, batch, training):
        return batch

    def extract_feat(self, inputs):
        return (F.avg_pool2d(inputs, 8, ceil_mode=True),)


def test_an_encoder_of_oblong_pictures_is_judged():
    """Pictures whose pixels say where they are, of 4 x 16 patches."""
    height, width = 32, 128
    places = torch.cartesian_prod(
        *(torch.linspace(0, 1.5, side) for side in (height, width))
    )
    picture = torch.cat((places.cos(), places.sin()), 1).mT
    pictures = picture.unflatten(1, (height, width)).expand(20, -1, -1, -1)
    encoder = Encoder(Pooled(), None, None, 'cpu')
    found = judge_matches(encoder, pictures)
    assert found.near > 0.95 > 0.5 > found.near_chance
    assert found.exact > 0.7
    message = '80 square patches do not fill pictures of 33 x 128 pixels'
    with pytest.raises(ValueError, match=message):
        judge_matches(encoder, torch.rand(2, 3, 33, 128))


def test_an_encoder_is_judged():
    """A seed draws the same crops, whatever else was drawn; others differ."""
    torch.manual_seed(0)
    encoder = load_encoder(CONFIG, device='cpu')
    pictures = torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8)
    first = judge_matches(encoder, pictures)
    torch.rand(3)
    assert first == judge_matches(encoder, pictures)
    assert first != judge_matches(encoder, pictures, seed=1)


def test_the_command(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    data, out = tmp_path / 'data', tmp_path / 'matches.json'
    data.mkdir()
    for i in range(44):
        pixels = rng.integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(data / f'{i}.png')

    def run(*options):
        paths = [str(CONFIG), '--data', str(data), '--json', str(out)]
        monkeypatch.setattr('sys.argv', ['', *paths, *options])
        matches.main()

    run('--random', '--device', 'cpu')
    assert capsys.readouterr().out.endswith('22 pictures\n')
    found = json.loads(out.read_text())
    assert [*found] == ['random weights']
    assert 0 < found['random weights']['near'] <= 1
    for options, message in (
        ((), 'name a checkpoint, or --random'),
        (('--random',), f'{out} exists'),
        (('--random', '--json', 'new', '--pictures', '4'), '2 pairs are'),
        (('no.pth', '--json', 'new'), 'no checkpoint no.pth'),
    ):
        with pytest.raises(SystemExit, match=f'^error: {message}'):
            run(*options)
