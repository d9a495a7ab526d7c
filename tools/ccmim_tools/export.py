"""Write an encoder for another library, with a card, and compare the two.

hf           a folder for transformers: ViTModel
hf-mae       likewise, ViTMAEForPreTraining: with the decoder
timm         a folder for timm: local-dir:OUT
onnx         an ONNX model, opset 20, any number of pictures
pt2          a program of torch.export, likewise
safetensors  the encoder alone, by this project's and mmpretrain's names

What is known of the weights goes along: method, config, data, epochs, probe
figures, licence, and what was left behind. Nothing is uploaded.
"""

import argparse

from .command_line import check_checkpoint, ending_in_a_line, read_paths
from .config_names import find_config

TARGETS = ('hf', 'hf-mae', 'timm', 'onnx', 'pt2', 'safetensors')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'checkpoint', help='a checkpoint, of any format that is read here'
    )
    parser.add_argument('out', help='the folder or file to write, new')
    parser.add_argument(
        '--to',
        required=True,
        # hf_mae is what `ccmim convert` calls it.
        type=lambda name: name.replace('_', '-'),
        choices=TARGETS,
    )
    parser.add_argument(
        '--config',
        help='its config, or the work dir of its run; without, that of the '
        'work dir that it lies in, and with "none", none',
    )
    parser.add_argument(
        '--license',
        metavar='ID',
        help="of the weights, for the card, by the hub's short names: "
        'apache-2.0, cc-by-nc-4.0; without, the card says that it is unknown',
    )
    parser.add_argument(
        '--picture', help='to compare on; without, blots in all colours'
    )
    parser.add_argument(
        '--encoder',
        choices=('online', 'momentum'),
        default='online',
        help='momentum: of MoCo v3 or DenseCL the moving average of the '
        'encoder, in place of the one that was trained',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Export."""
    args = parse_args(argv)
    read_paths(args)
    check_checkpoint(args.checkpoint)
    with ending_in_a_line():
        if args.config not in (None, 'none'):
            args.config = find_config(args.config)
        # Here, as it takes seconds.
        from ccmim_mm.export import export

        outcome = export(
            args.checkpoint,
            args.out,
            args.to,
            args.config,
            args.license,
            args.picture,
            args.encoder,
        )
    print(outcome)


if __name__ == '__main__':
    main()
