"""Train with a config: pre-training, or a downstream task from it."""

import argparse
import os

from mmengine.config import Config, DictAction


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


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the command line to it."""
    from ccmim_mm.apis import (
        apply_classes,
        apply_data,
        apply_device,
        apply_precision,
        apply_run_options,
        check_transfer_data,
        find_task,
    )

    cfg = Config.fromfile(args.config)
    options = args.cfg_options or {}
    data = args.data or options.get('data_root', cfg.data_root)
    for hook in cfg.get('custom_hooks', []):
        if hook.type == 'RunSummaryHook':
            hook.update(config=args.config, data=data)
    apply_device(cfg, args.device, args.launcher)
    apply_data(cfg, data)
    apply_precision(cfg, args.amp)
    # Before the rest, which looks at what the overrides say.
    cfg.merge_from_dict(options)
    if find_task(cfg) != 'pretrain':
        apply_classes(cfg)
        check_transfer_data(cfg)
    apply_run_options(
        cfg,
        args.work_dir,
        args.resume,
        args.auto_scale_lr,
        args.pretrained,
        args.compile,
        args.allow_partial,
    )
    return cfg


def main() -> None:
    """Train."""
    args = parse_args()
    try:
        cfg = load_config(args)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f'error: {error}') from None
    from mmengine.runner import Runner

    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
