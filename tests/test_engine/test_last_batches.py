"""Epochs whose last batch is smaller, of ``drop_last=False``."""

import pytest
from contrastive_models import run_cfg
from mmengine.registry import RUNNERS
from run_helpers import bare, config


def of_all(batch_size, **options):
    """Every one of the 24 pictures, in batches of so many."""
    return {
        'train_dataloader.batch_size': batch_size,
        'train_dataloader.drop_last': False,
        **options,
    }


def ccmim(data, work_dir, options):
    return RUNNERS.build(bare(config(data, work_dir, options=options)))


@pytest.mark.parametrize(
    ('method', 'batch_size', 'message'),
    [
        ('ccmim', 23, 'batch of 1 per.*CCMIM cannot .*drop_last=True'),
        ('mocov3', 23, 'batch of 1 per.*MoCoV3Method .*drop_last=True'),
        ('simclr', 23, 'batch of 1 per.*SimCLRMethod .*drop_last=True'),
        # The queue of 16 is a multiple of both.
        ('densecl', 16, 'batch of 8 per.*whole steps.*drop_last=True'),
    ],
)
def test_a_last_batch_that_cannot_be_learnt_from_is_refused_at_the_start(
    method, batch_size, message, picture_folder, tmp_path
):
    options = of_all(batch_size)
    if method == 'ccmim':
        runner = ccmim(picture_folder, tmp_path, options)
    else:
        cfg = run_cfg(method, picture_folder, tmp_path, options)
        runner = RUNNERS.build(bare(cfg))
    with pytest.raises(ValueError, match=message):
        runner.build_train_loop(runner.cfg.train_cfg)


@pytest.mark.parametrize(
    ('options', 'iterations'),
    [
        (of_all(22), 4),
        (of_all(24), 2),
        # Nothing in it needs a second picture.
        (of_all(23, **{'model.align_head': None}), 4),
        # Nothing is left over.
        (of_all(11, **{'optim_wrapper.accumulative_counts': 2}), 4),
        (of_all(23, **{'train_dataloader.drop_last': True}), 2),
    ],
)
def test_all_others_are_trained_on(
    options, iterations, picture_folder, tmp_path
):
    runner = ccmim(picture_folder, tmp_path, options)
    runner.train()
    assert runner.iter == iterations
