"""What stands in for a picture that cannot be read is not judged."""

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy
from mmpretrain.structures import DataSample

from ccmim_mm.evaluation import ReadableEvaluator, failures_of

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


def test_of_a_batch_the_metrics_see_what_is_judged():
    seen = []

    class Spy(Accuracy):
        def process(self, data_batch, data_samples):
            inputs = [int(value) for value in data_batch['inputs']]
            seen.append((inputs, len(data_samples)))

    samples = [predicted(*row) for row in JUDGED]
    evaluator = ReadableEvaluator(Spy(topk=1))
    inputs = torch.arange(4)
    evaluator.process(samples, dict(inputs=inputs, data_samples=samples))
    assert seen == [([0, 2, 3], 3)]
    evaluator.process(samples[1:2], dict(inputs=inputs[1:2]))
    assert len(seen) == 1


def test_nothing_is_no_figure():
    unread = [(0, 0, True)] * 2
    with pytest.raises(ValueError, match='none of the pictures to judge by'):
        evaluated(ReadableEvaluator, unread)


def test_failures_of_several_views_of_a_picture():
    good, bad = predicted(0, 0, False), predicted(0, 0, True)
    assert failures_of([[good, bad], good]) == ['x.png: broken']
