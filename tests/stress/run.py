"""Run all stress scripts and print their table: ``make stress``."""

import argparse
import json
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from ccmim_mm.files import check_output

sys.path.insert(0, str(Path(__file__).parent))

SCRIPTS = (
    *('checkpoints', 'disk', 'pictures', 'resumes', 'cases', 'races'),
    *('ranks', 'signals', 'writes', 'kills'),
)


def main() -> None:
    """Run them one after the other; exits with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('scripts', nargs='*', default=SCRIPTS)
    parser.add_argument('--json', help='also write the table to this file')
    args = parser.parse_args()
    if args.json:
        check_output(args.json)
    torch.set_num_threads(1)
    rows = []
    for name in args.scripts:
        script = __import__(name)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix='stress-') as folder:
            found = script.check(Path(folder))
        found['seconds'] = round(time.monotonic() - began)
        rows.append(found)
    print(f'\n{platform.machine()}, torch {torch.__version__}, {date.today()}')
    print('| what | tried | outcome | held | s |')
    print('|---|---|---|---|---|')
    for found in rows:
        held = 'yes' if found['held'] else '**NO**'
        print(
            f'| {found["what"]} | {found["tried"]} | {found["outcome"]} | '
            f'{held} | {found["seconds"]} |'
        )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2))
    raise SystemExit(0 if all(found['held'] for found in rows) else 1)


if __name__ == '__main__':
    main()
