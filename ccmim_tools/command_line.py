"""Options that several tools have."""

import argparse
import io
import os
import sys

from mmengine.config import DictAction

# Paths are bytes: what is no text in them is printed escaped.
for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors='backslashreplace')


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that a run and a test share."""
    found = argparse.ArgumentParser(
        description=description,
        # What looks for the work dir before anything is parsed knows none.
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument('config', help='path of the config')
    found.add_argument('--work-dir', help='where logs and checkpoints go')
    found.add_argument(
        '--data',
        help='the data folder. Pre-training takes pictures, nested or flat, '
        'and with train/ and val/ class folders the labels serve the '
        'evaluation; the other tasks take the layouts that the docs name',
    )
    found.add_argument(
        '--device',
        default='auto',
        choices=['auto', 'cpu', 'cuda'],
        help='auto is the GPU where there is one',
    )
    found.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override the config, e.g. train_dataloader.batch_size=64 '
        'model.mask_sampler.type=RandomMaskSampler',
    )
    found.add_argument(
        '--launcher',
        default='none',
        choices=['none', 'pytorch'],
        help='pytorch under torchrun, which dist_run.sh starts',
    )
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK.
    found.add_argument('--local_rank', '--local-rank', help=argparse.SUPPRESS)
    return found


def choose_device(device: str) -> None:
    """Hide the GPUs, or insist on one; before anything uses them."""
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif device == 'cuda':
        import torch

        if not torch.cuda.device_count():
            raise SystemExit(
                'error: --device cuda, but torch finds no GPU: use --device '
                'cpu, or check the driver with nvidia-smi'
            )
