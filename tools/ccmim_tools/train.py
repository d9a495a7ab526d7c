"""Train with a config: pre-training, or a downstream task from it."""

import sys

from .command_line import ending_in_a_line, parser, settle
from .settings import add_settings, check_settings
from .start_up import ignore_signals, leave_when_asked


def main() -> None:
    """Build the runner that the config names, and train."""
    leave_when_asked(sys.argv[1:])
    options = parser(__doc__)
    options.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from this checkpoint, or without a path from the '
        'newest in the work dir',
    )
    options.add_argument(
        '--pretrained',
        help='start from the weights of this checkpoint, of any format that '
        'is known',
    )
    options.add_argument(
        '--teacher',
        help='learn from this frozen model, if the method has a teacher: a '
        'ViT in any format that is known',
    )
    length = options.add_mutually_exclusive_group()
    length.add_argument(
        '--epochs',
        type=int,
        help='train for so many, warm-up and decay scaled to them',
    )
    length.add_argument(
        '--iters', type=int, help='likewise, where iterations are counted'
    )
    add_settings(options)
    for name, text in (
        ('auto-scale-lr', 'scale the learning rate with processes x batch'),
        ('allow-partial', 'go on where --pretrained fills a part alone'),
        ('trust-checkpoint', 'read checkpoints and pickled annotations that '
         'may run any code'),
    ):  # fmt: skip
        options.add_argument(f'--{name}', action='store_true', help=text)
    parsed = options.parse_args()
    check_settings(parsed)
    settle(parsed, ('pretrained', 'teacher', 'resume'))
    args = vars(parsed)
    args.pop('local_rank')
    args['options'] = args.pop('cfg_options')
    with ending_in_a_line(raw=True):
        # Here, as it takes seconds.
        from mmengine.registry import RUNNERS

        from ccmim_mm.apis import config_for_training

        runner = RUNNERS.build(config_for_training(**args))
        runner.check_input()
    try:
        runner.train()
    finally:
        ignore_signals()


if __name__ == '__main__':
    main()
