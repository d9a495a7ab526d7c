"""Train with a config: pre-training, or a downstream task from it."""

import argparse
import os

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    parser.add_argument(
        '--data',
        help='the data folder. Pre-training takes pictures, nested or flat, '
        'and with train/ and val/ class folders the labels serve the '
        'evaluation; the other tasks take the layouts that the docs name',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from this checkpoint, or without a path from the '
        'newest in the work dir',
    )
    parser.add_argument(
        '--pretrained',
        help='start from the weights of this checkpoint: of this project, '
        'the ccMIM or MAE release, or timm',
    )
    parser.add_argument(
        '--allow-partial',
        action='store_true',
        help='go on where --pretrained leaves part of a downstream backbone '
        'untouched without a reason',
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='resume from a checkpoint of stock mmengine, or read a pickled '
        'annotation file: either may run any code that is in it',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='auto',
        default='auto',
        choices=['auto', 'bf16', 'fp16', 'off'],
        help='precision; auto is bf16 on a GPU that has it, else fp32',
    )
    parser.add_argument(
        '--device',
        default='auto',
        choices=['auto', 'cpu', 'cuda'],
        help='auto is the GPU where there is one',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with processes x batch size',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='run the transformer layers through torch.compile: a minute at '
        'the start, for what it gains on your machine',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override the config, e.g. train_dataloader.batch_size=64 '
        'model.mask_sampler.type=RandomMaskSampler',
    )
    parser.add_argument(
        '--launcher',
        default='none',
        choices=['none', 'pytorch'],
        help='pytorch under torchrun, which dist_train.sh starts',
    )
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.device == 'cpu':
        # Before torch is imported, or mmengine would use the GPU.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    return args


def main() -> None:
    """Train."""
    args = parse_args()
    from ccmim_mm.apis import config_for_training

    try:
        cfg = config_for_training(
            args.config,
            args.data,
            args.cfg_options,
            args.device,
            args.launcher,
            args.amp,
            work_dir=args.work_dir,
            resume=args.resume,
            auto_scale_lr=args.auto_scale_lr,
            pretrained=args.pretrained,
            compile_layers=args.compile,
            allow_partial=args.allow_partial,
            trust_checkpoint=args.trust_checkpoint,
        )
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f'error: {error}') from None
    from ccmim_mm.engine import CCMIMRunner

    runner = CCMIMRunner.from_cfg(cfg)
    try:
        runner.train()
    except (ValueError, OSError, FloatingPointError) as error:
        # The traceback is for the log; this line is for whoever reads it.
        runner.logger.error(f'{type(error).__name__}: {error}')
        raise


if __name__ == '__main__':
    main()
