"""Pictures of many kinds: none is fatal, all are counted and right."""

import os
from pathlib import Path

import numpy as np
import torch
from common import ROOT, make_pictures, row
from odd_pictures import (
    NAMES,
    NO_CONTENT,
    NO_FILES,
    UNREADABLE,
    UNUSUAL,
    Kind,
    encoded,
)

#: Every kind so often in each split.
EACH = dict(train=9, val=1)
CLASSES = ('cat', os.fsdecode(b'd\xf6g'))


def check(folder: Path) -> dict:
    """Train, judge and extract where the others are strewn among good ones."""
    data = folder / 'data'
    good = sum(_fill(data / s, each) for s, each in EACH.items())
    odd = sum(EACH.values())
    unreadable = odd * (len(UNREADABLE) + len(NO_CONTENT))
    unusual = odd * (len(UNUSUAL) + len(NAMES))
    no_files = odd * len(NO_FILES)
    # More than 1 % are broken here: that they stop a run is its own line.
    try:
        _train(data, folder / 'stopped', {})
        stopped = 'went on'
    except OSError as error:
        stopped = f'stopped ({str(error).partition(":")[0]})'
    work_dir = folder / 'run'
    _train(data, work_dir, _allowing_all())
    named = _named(data, work_dir)
    expected = {
        str(data / split / CLASSES[i % 2] / _name(item, i))
        for split, each in EACH.items()
        for i in range(each)
        for item in (UNREADABLE | NO_CONTENT).items()
    }
    wrong = len(named ^ expected)
    left_out = _extract(data, work_dir, folder)
    dark = _wrong_brightness(data / 'train')
    kinds = sum(map(len, (UNREADABLE, NO_CONTENT, UNUSUAL, NAMES, NO_FILES)))
    return row(
        'pictures of odd kinds',
        f'{unreadable} unreadable, {no_files} no files, {unusual} unusual of '
        f'{kinds} kinds in all, among {good} good; trained, judged and '
        'extracted',
        f'0 crashes, {len(named)} named, {wrong} wrongly or not; features '
        f'left out {left_out} of {unreadable}; {dark} unusual not as drawn; '
        f'at the default limit: {stopped}',
        not wrong
        and left_out == unreadable
        and not dark
        and stopped.startswith('stopped'),
    )


def _fill(split: Path, each: int) -> int:
    """Two class folders of all kinds; how many ordinary pictures."""
    for name in CLASSES:
        (split / name).mkdir(parents=True)
    # Whole batches of 8 use up all that is listed, so that all are read.
    listed = each * (
        len(UNREADABLE) + len(NO_CONTENT) + len(UNUSUAL) + len(NAMES)
    )
    good = 60 + -(60 + listed) % 8
    make_pictures(split / CLASSES[0], good)
    for i in range(each):
        place = split / CLASSES[i % 2]
        for kind in (UNREADABLE | UNUSUAL).items():
            (place / _name(kind, i)).write_bytes(kind[1].content)
        for kind in (NO_CONTENT | NO_FILES).items():
            kind[1](place / _name(kind, i))
        for name in map(os.fsdecode, NAMES):
            # Names of the greatest length stay so.
            (place / (str(i) + name)[-255:]).write_bytes(encoded('PNG'))
    return good


def _name(item: tuple, number: int) -> str:
    kind, made = item
    ending = f'.{made.suffix}' if isinstance(made, Kind) else ''
    return f'{number} {kind}{ending}'


def _named(data: Path, work_dir: Path) -> set[str]:
    """Pictures that training lists, or the log of an evaluation names."""
    from ccmim_mm.datasets.listing import list_pictures
    from ccmim_mm.files import printable

    listed = (work_dir / 'bad_images.txt').read_text('utf-8')
    log = max(work_dir.glob('*/*.log')).read_text('utf-8')
    listing = list_pictures(data)
    paths = [str(data / listing[i]) for i in range(len(listing))]
    return {
        path
        for path in paths
        if f'{printable(path)}: '
        in (listed if path.startswith(f'{data}/train/') else log)
    }


def _train(data: Path, work_dir: Path, options: dict) -> None:
    """An epoch, judged before and after it."""
    from ccmim_mm.apis import config_for_training
    from ccmim_mm.engine import ResilientRunner

    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py',
        {'train_cfg.max_epochs': 1, **options},
        data,
        work_dir,
    )
    cfg.experiment_name = f'{work_dir}{os.getpid()}'
    ResilientRunner.from_cfg(cfg).train()


def _extract(data: Path, work_dir: Path, folder: Path) -> int:
    """Features and attention of all; how many pictures have none."""
    from mmengine.config import Config

    from ccmim_mm.apis import extract_features
    from ccmim_mm.datasets.listing import list_pictures

    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    checkpoint = str(work_dir / 'epoch_1.pth')
    out, seen = folder / 'features.npz', folder / 'seen'
    args = cfg, checkpoint, str(data), str(out), ('cls',), str(seen)
    with torch.no_grad():
        count = extract_features(*args, num_workers=0)
    drawn = sum(len(files) for _, _, files in os.walk(seen))
    assert drawn == count == len(np.load(out)['paths']), (drawn, count)
    return len(list_pictures(data)) - count


def _wrong_brightness(split: Path) -> int:
    """How many unusual pictures are not, by their means, what was drawn."""
    from ccmim_mm.datasets import LoadUprightImage

    wrong = 0
    for i in range(EACH['train']):
        for item in UNUSUAL.items():
            path = split / CLASSES[i % 2] / _name(item, i)
            img = LoadUprightImage()(dict(img_path=str(path)))['img']
            error = np.abs(img.mean((0, 1)) - item[1].means).max()
            wrong += bool(error > item[1].tolerance)
    return wrong


def _allowing_all() -> dict:
    from mmengine.config import Config

    hooks = Config.fromfile(ROOT / 'tests/tiny_config.py').custom_hooks
    place = [hook.type for hook in hooks].index('UnreadablePictureHook')
    return {f'custom_hooks.{place}.max_share': 1.0}
