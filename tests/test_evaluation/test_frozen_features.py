import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

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
