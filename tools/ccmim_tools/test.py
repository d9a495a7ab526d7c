"""Judge a checkpoint.

Of pre-training by its frozen features, kNN and a linear probe; of a
downstream task by that task's measure. In the place of the config the work
dir of a training stands for all that it was told: sizes, classes, overrides.
"""

from .command_line import ending_in_a_line, parser, settle


def main() -> None:
    """Build the runner that the config names, load and evaluate."""
    options = parser(__doc__)
    options.add_argument(
        'checkpoint', help='path of the checkpoint, of any known format'
    )
    options.add_argument(
        '--tta',
        action='store_true',
        help='segmentation: test at several scales, flipped too',
    )
    options.add_argument(
        '--show-dir', help='downstream: draw the predictions into this folder'
    )
    options.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='read a checkpoint that may run any code',
    )
    parsed = options.parse_args()
    settle(parsed, ['checkpoint'])
    args = vars(parsed)
    args.pop('local_rank')
    args['options'] = args.pop('cfg_options')
    with ending_in_a_line(raw=True):
        # Here, as it takes seconds.
        from mmengine.registry import RUNNERS

        from ccmim_mm.apis import config_for_testing

        cfg = config_for_testing(**args)
        runner = RUNNERS.build(cfg)
        if runner.cfg.test_cfg is None:
            raise ValueError(f'{cfg.data_root} has no labels to judge by')
        runner.test()


if __name__ == '__main__':
    main()
