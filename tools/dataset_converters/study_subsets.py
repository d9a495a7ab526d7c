"""Rebuild the study's subsets of the data sets as published.

Which pictures, and their checksums, is in docs/study/*.sha256.gz: a file a
line in the format of sha256sum, of Tiny ImageNet a class a line, with the
numbers in its files' names. docs/study/README.md says where the data sets are.
"""

import argparse
import gzip
import hashlib
import shutil
from pathlib import Path

# Beside this script.
from blood_cells import build_cells
from oxford_pets import build_pets, build_pets_dense

LISTS = Path(__file__).parents[2] / 'docs/study'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('dataset', choices=[*BUILD])
    parser.add_argument(
        'source', type=Path, help='the unpacked data set, as published'
    )
    parser.add_argument(
        'out', type=Path, help='where to, e.g. data/study/eurosat'
    )
    return parser.parse_args(argv)


def read_list(path: Path) -> dict[str, str]:
    """Checksums by relative path."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    pairs = (line.split('  ', 1) for line in lines)
    return {name: checksum for checksum, name in pairs}


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return checksum_of([path])


def checksum_of(paths: list[Path]) -> str:
    """SHA-256 of files, one after the other."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def files_of(out: Path, name: str) -> list[Path]:
    """What a line of a list is of."""
    folder, several, _ = name.partition('  ')
    if not several:
        return [out / name]
    return [out / folder / file for file in tinyin_files(name)]


def build_eurosat(source: Path, out: Path, wanted: dict[str, str]) -> None:
    """Copy the files by what is in them: the subset has its own names."""
    places: dict[str, list[str]] = {}
    for name, value in wanted.items():
        places.setdefault(value, []).append(name)
    for path in sorted(source.rglob('*.jpg')):
        for name in places.get(checksum(path), ()):
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def build_tinyin(source: Path, out: Path, wanted: dict[str, str]) -> None:
    """Copy the files by their names.

    Raises:
        FileNotFoundError: If the source lacks one.
    """
    for name in wanted:
        folder = name.partition('  ')[0]
        split, class_name = folder.split('/')
        images = source / split / class_name / 'images'
        if split == 'val':
            images = source / 'val/images'
        (out / folder).mkdir(parents=True, exist_ok=True)
        for file in tinyin_files(name):
            shutil.copyfile(images / file, out / folder / file)


def tinyin_files(name: str) -> list[str]:
    """File names of a class, from its line: ``train/CLASS  0,1,...``."""
    folder, _, numbers = name.partition('  ')
    split, class_name = folder.split('/')
    stem = class_name if split == 'train' else split
    return [f'{stem}_{number}.JPEG' for number in numbers.split(',')]


#: What fills a folder, from a source and a list.
BUILD = dict(
    eurosat=build_eurosat,
    pets=build_pets,
    pets_dense=build_pets_dense,
    tinyin=build_tinyin,
    cells=build_cells,
)


def main(argv: list[str] | None = None) -> None:
    """Rebuild and compare."""
    args = parse_args(argv)
    from ccmim_mm.files import check_output

    wanted = read_list(LISTS / f'{args.dataset}.sha256.gz')
    if not args.source.is_dir():
        raise SystemExit(f'error: no folder {args.source}')
    try:
        check_output(args.out, args.source)
        BUILD[args.dataset](args.source, args.out, wanted)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise SystemExit(f'error: {error}') from None
    files = {name: files_of(args.out, name) for name in wanted}
    count = sum(map(len, files.values()))
    missing = [
        path.relative_to(args.out)
        for paths in files.values()
        for path in paths
        if not path.is_file()
    ]
    if missing:
        raise SystemExit(
            f'error: {len(missing)} of {count} files are not in '
            f'{args.source}, {missing[0]} for one: is it the data set as '
            'published, unpacked and not re-encoded?'
        )
    same = sum(
        len(paths)
        for name, paths in files.items()
        if checksum_of(paths) == wanted[name]
    )
    print(f'{count} files in {args.out}, {same} the same to the bit')
    if same < count:
        print('The others come from another resizing of the same pictures')


if __name__ == '__main__':
    main()
