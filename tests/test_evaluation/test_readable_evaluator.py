"""What stands in for a picture that cannot be read is not judged."""

import pytest
import torch
from dist_helpers import run_ranks
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy
from mmpretrain.structures import DataSample

from ccmim_mm.evaluation import (
    ReadableEvaluator,
    failures_of,
    readable_evaluator,
)

#: Of pictures: the label, the predicted class and whether another stands in.
JUDGED = [(0, 0, False), (1, 1, True), (1, 0, False), (2, 2, False)]


def predicted(label, score, stands_in):
    sample = DataSample().set_gt_label(label).set_pred_label(score)
    sample.set_pred_score(torch.eye(3)[score])
    if stands_in:
        sample.set_metainfo(dict(unreadable=['x.png: broken']))
    return sample


def evaluated(kind, rows):
    samples = [predicted(*row) for row in rows]
    evaluator = kind([Accuracy(topk=1)])
    batch = dict(inputs=torch.zeros(len(rows), 3), data_samples=samples)
    for part in (slice(0, 2), slice(2, None)):
        evaluator.process(
            samples[part], {k: v[part] for k, v in batch.items()}
        )
    return evaluator.evaluate(len(rows))


def test_a_stand_in_is_left_out_and_said():
    whole = evaluated(Evaluator, JUDGED)
    assert whole == {'accuracy/top1': 75.0}
    read = [row for row in JUDGED if not row[2]]
    expected = evaluated(Evaluator, read)
    assert evaluated(ReadableEvaluator, JUDGED) == expected != whole
    assert evaluated(ReadableEvaluator, read) == expected


def of_a_rank(rank, unread):
    """The figure of 10 pictures of which every third is judged wrongly."""
    # As a sampler deals them, the first ones added to fill the last turn.
    dealt = [*range(10), 0, 1][rank::4]
    evaluator = ReadableEvaluator(Accuracy(topk=1))
    for picture in dealt:
        label = picture % 3
        row = label, label if picture % 3 else 1, picture in unread
        evaluator.process([predicted(*row)])
    return evaluator.evaluate(10)['accuracy/top1']


@pytest.mark.parametrize('unread', [(), (3,), (0,), (0, 1, 9)])
def test_every_picture_is_judged_once_by_several_ranks(unread):
    judged = [i for i in range(10) if i not in unread]
    expected = 100 * sum(bool(i % 3) for i in judged) / len(judged)
    found = run_ranks(of_a_rank, world=4, args=(unread,))
    assert found == [pytest.approx(expected)] * 4


def test_a_metric_of_other_results_is_named(monkeypatch):
    """It cannot be told which of them is of a stand-in: none is cut."""

    class Whole(Accuracy):
        def process(self, data_batch, data_samples):
            super().process(data_batch, data_samples)
            super().process(data_batch, data_samples)

    said = []
    monkeypatch.setattr(
        readable_evaluator, 'print_log', lambda text, *_: said.append(text)
    )
    evaluator = ReadableEvaluator([Accuracy(topk=1), Whole(prefix='whole')])
    evaluator.process([predicted(*row) for row in JUDGED])
    found = evaluator.evaluate(2 * len(JUDGED))
    assert found['accuracy/top1'] == pytest.approx(200 / 3)
    assert found['whole/top1'] == 75
    assert said[-1].startswith('Whole does not keep one result a picture')


def test_nothing_is_no_figure():
    unread = [(0, 0, True)] * 2
    with pytest.raises(ValueError, match='none of the pictures to judge by'):
        evaluated(ReadableEvaluator, unread)


def test_failures_of_several_views_of_a_picture():
    good, bad = predicted(0, 0, False), predicted(0, 0, True)
    assert failures_of([[good, bad], good]) == ['x.png: broken']
    assert failures_of([torch.zeros(2)]) == []
