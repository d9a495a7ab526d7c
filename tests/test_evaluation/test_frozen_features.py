import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset

from ccmim_mm.engine.runner import FrozenFeatureLoop, FrozenFeatureTestLoop
from ccmim_mm.evaluation import (
    Rows,
    knn_accuracy,
    linear_probe_accuracy,
)


@pytest.fixture(scope='module')
def features():
    """Overlapping clusters: bank, its labels, queries, their labels."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 24)) * 0.6

    def draw(count):
        labels = rng.integers(0, 5, count)
        x = centres[labels] + rng.normal(size=(count, 24))
        return torch.from_numpy(x).float(), torch.from_numpy(labels)

    return (*draw(300), *draw(200))


@pytest.mark.parametrize('k', [1, 20])
def test_knn_equals_scikit_learn(features, k):
    x, y, queries, labels = features
    judge = KNeighborsClassifier(
        k, metric='cosine', weights=lambda d: np.exp((1 - d) / 0.07)
    ).fit(x, y)
    expected = 100 * judge.score(queries, labels)
    assert 30 < expected < 95
    assert knn_accuracy(*features, k=k) == pytest.approx(expected)
    assert knn_accuracy(*features, k=k, chunk=7) == pytest.approx(expected)


def test_knn_with_a_small_bank_and_an_unknown_class(features):
    x, y, queries, _ = features
    assert knn_accuracy(x[:3], y[:3], queries[:4], torch.full((4,), -1)) == 0


def test_linear_probe_equals_scikit_learn(features):
    x, y, queries, labels = features
    scaler = StandardScaler().fit(x)
    judge = LogisticRegression(C=1.0, max_iter=1000).fit(
        scaler.transform(x), y
    )
    expected = 100 * judge.score(scaler.transform(queries), labels)
    assert 30 < expected < 95
    # One picture in 200 may fall on the other side of a rounding.
    assert linear_probe_accuracy(*features) == pytest.approx(expected, abs=0.6)


def test_linear_probe_standardises(features):
    """Scale and offset of the features do not matter."""
    x, y, queries, labels = features
    moved = linear_probe_accuracy(x * 50 + 7, y, queries * 50 + 7, labels)
    assert moved == pytest.approx(linear_probe_accuracy(*features), abs=0.6)


def test_linear_probe_under_no_grad(features):
    with torch.no_grad():
        accuracy = linear_probe_accuracy(*features)
    assert accuracy > 30


def test_a_large_bank_is_classified_in_parts(features, monkeypatch):
    """The same figures, to rounding, from products that fit."""
    whole = knn_accuracy(*features), linear_probe_accuracy(*features)
    monkeypatch.setattr('ccmim_mm.evaluation.knn.PRODUCT', 900)
    monkeypatch.setattr('ccmim_mm.evaluation.linear_probe.CHUNK', 70)
    assert knn_accuracy(*features) == whole[0]
    assert linear_probe_accuracy(*features) == pytest.approx(whole[1], abs=0.6)


def test_rows_in_one_block():
    rows = Rows(7)
    with pytest.raises(ValueError, match='no rows'):
        rows.rows()
    parts = torch.randn(5, 3).split(2)
    for part in parts:
        rows.add(part)
    assert torch.equal(rows.rows(), torch.cat(parts))
    assert rows.rows().untyped_storage().nbytes() == 7 * 3 * 4


def test_knn_at_a_tiny_temperature_is_the_nearest_neighbour(features):
    nearest = knn_accuracy(*features, k=1)
    for temperature in (5e-3, 1e-5, 1e-30):
        found = knn_accuracy(*features, k=20, temperature=temperature)
        assert found == nearest


def test_knn_refuses_settings_without_a_meaning(features):
    with pytest.raises(ValueError, match='k=0 neighbours'):
        knn_accuracy(*features, k=0)
    for temperature in (0.0, -1.0, float('nan')):
        with pytest.raises(ValueError, match=r'temperature=.* above 0'):
            knn_accuracy(*features, temperature=temperature)


@pytest.mark.parametrize('judge', [knn_accuracy, linear_probe_accuracy])
@pytest.mark.parametrize('part', [0, 2])
def test_no_figure_of_what_is_not_finite(features, judge, part):
    broken = [f.clone() for f in features]
    broken[part][3, 2] = torch.nan
    with pytest.raises(ValueError, match=r'1 of \d+ features are not finite'):
        judge(*broken)


class Pictures(Dataset):
    """Features as pictures; some cannot be read, others stand in."""

    metainfo = dict(classes=[str(i) for i in range(5)])

    def __init__(self, features, labels, unreadable=()):
        self.features, self.labels = features, labels
        self.unreadable = unreadable

    def __len__(self):
        return len(self.features)

    def __getitem__(self, index):
        place = index
        sample = DataSample()
        if index in self.unreadable:
            place = (index + 1) % len(self)
            sample.set_metainfo(dict(unreadable=[f'{index}.png: broken']))
        sample.set_gt_label(int(self.labels[place]))
        return dict(inputs=self.features[place], data_samples=sample)


class Identity(torch.nn.Module):
    """A model whose features are its pictures, and one that is broken."""

    broken = 0.0

    def data_preprocessor(self, batch, training):
        return batch

    def extract_feat(self, inputs):
        return torch.stack((inputs * (1 + self.broken), inputs), dim=1)


def nothing(self, index):
    sample = DataSample().set_gt_label(0)
    return dict(inputs=torch.full((24,), torch.nan), data_samples=sample)


def together(samples):
    return dict(
        inputs=torch.stack([s['inputs'] for s in samples]),
        data_samples=[s['data_samples'] for s in samples],
    )


@pytest.fixture
def judged(features, caplog):
    """Run the loop on bank and queries, and give it and its warnings."""

    def judge(kind=FrozenFeatureLoop, bank=(), queries=(), broken=0.0, **kw):
        x, y, queries_x, labels = features
        parts = (Pictures(x, y, bank), Pictures(queries_x, labels, queries))
        bank_loader, loader = (
            DataLoader(part, 64, collate_fn=together) for part in parts
        )
        runner = SimpleNamespace(
            model=Identity(),
            iter=3,
            logger=logging.getLogger('judged'),
            message_hub=MessageHub('judged'),
            build_dataloader=lambda found, seed: found,
            call_hook=lambda *args, **kwargs: None,
        )
        runner.model.broken = broken
        loop = kind(runner, loader, [], bank_loader, **kw)
        with caplog.at_level(logging.WARNING, 'judged'):
            metrics = loop.run()
        return metrics, runner.message_hub, caplog.text

    return judge


def test_unreadable_pictures_are_left_out(features, judged):
    bank, queries = (0, 7, 299), (1, 2, 199)
    metrics, _, said = judged(bank=bank, queries=queries)
    x, y, queries_x, labels = features
    kept, left = (
        [i for i in range(count) if i not in unread]
        for count, unread in ((300, bank), (200, queries))
    )
    data = x[kept], y[kept], queries_x[left], labels[left]
    assert metrics['knn_cls'] == knn_accuracy(*data)
    assert metrics['linear_cls'] == linear_probe_accuracy(*data)
    assert '297 of 300 pictures of the bank judged' in said
    assert '197 of 200 pictures of the queries judged' in said
    assert 'Unreadable, not judged: 199.png: broken' in said
    with pytest.raises(ValueError, match='no picture of the queries could'):
        judged(queries=range(200))


def test_features_that_are_not_finite_have_no_figure(judged):
    metrics, hub, said = judged(broken=torch.nan)
    # The mean of the patches, which is finite, has its own.
    assert {name.partition('_')[2] for name in metrics} == {'mean'}
    assert metrics.keys() >= {'knn_mean', 'linear_mean', 'rankme_mean'}
    assert '200 of 200 features of the queries (cls) are not finite' in said
    assert hub.get_info('frozen_features') == [dict(iter=3, **metrics)]


def test_nothing_is_not_a_result(judged, features, monkeypatch):
    monkeypatch.setattr(Pictures, '__getitem__', nothing)
    metrics, hub, _ = judged()
    assert not metrics
    assert 'frozen_features' not in hub.runtime_info
    with pytest.raises(ValueError, match='nothing to report'):
        judged(FrozenFeatureTestLoop)
    with pytest.raises(ValueError, match='k=0 and temperature=0'):
        judged(k=0, temperature=0)


@pytest.mark.parametrize(('part', 'kind'), [(1, 'bank'), (3, 'queries')])
def test_a_picture_without_a_label_is_no_picture_of_the_last_class(
    features, judged, part, kind
):
    labels = features[part]
    before = labels[:2].clone()
    labels[:2] = -1
    try:
        with pytest.raises(ValueError, match=f'^2 of .* {kind} have no label'):
            judged()
    finally:
        labels[:2] = before
