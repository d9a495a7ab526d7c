"""Judge a checkpoint.

Of pre-training by its frozen features, kNN and a linear probe; of a
downstream task by that task's measure.
"""

import argparse
import os

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument('--work-dir', help='where the log goes')
    parser.add_argument(
        '--data', help='the data folder, laid out as for training'
    )
    parser.add_argument(
        '--device',
        default='auto',
        choices=['auto', 'cpu', 'cuda'],
        help='auto is the GPU where there is one',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='segmentation: test at several scales, flipped too',
    )
    parser.add_argument(
        '--show-dir', help='downstream: draw the predictions into this folder'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override the config, e.g. test_cfg.k=10',
    )
    parser.add_argument(
        '--launcher',
        default='none',
        choices=['none', 'pytorch'],
        help='pytorch under torchrun, which dist_test.sh starts',
    )
    args = parser.parse_args(argv)
    if args.device == 'cpu':
        # Before torch is imported, or mmengine would use the GPU.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    return args


def main() -> None:
    """Load the checkpoint and evaluate."""
    args = parse_args()
    from ccmim_mm.apis import config_for_testing
    from ccmim_mm.engine.checkpoint import load_for_test, read_state_dict

    try:
        cfg = config_for_testing(
            args.config,
            args.data,
            args.cfg_options,
            args.device,
            args.launcher,
            args.work_dir,
            args.tta,
            args.show_dir,
        )
        state = read_state_dict(args.checkpoint)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f'error: {error}') from None
    from ccmim_mm.engine import CCMIMRunner

    runner = CCMIMRunner.from_cfg(cfg)
    report = load_for_test(runner.model, state)
    runner.logger.info(f'{args.checkpoint}: {report}')
    runner.test()


if __name__ == '__main__':
    main()
