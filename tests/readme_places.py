"""What README's lines name, as small real things: data, weights, runs."""

import os
from pathlib import Path

import numpy as np
import torch
from annotations import annotated, change
from conftest import ROOT
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from run_helpers import a_run

import ccmim_mm
from ccmim_mm.checkpoints import convert
from ccmim_tools.demo import generate_demo


def make_places(root: Path) -> Path:
    """Fill a folder with all of it, and return it.

    ``DIR`` has two pictures, ``SCENES`` few with labels of all kinds and
    ``MANY`` as many as a step of the release's takes.
    """
    scenes = generate_demo(root / 'SCENES', 6, 6, workers=1)
    _checkpoints(root)
    for name, rate in (('RUN', 0.5), ('OTHER_RUN', 0.4)):
        a_run(root / name, rate=rate)
    first, second, *_ = sorted((scenes / 'val').rglob('*.jpg'))
    _many(root / 'MANY', first)
    # A few pictures, and the two of the Python block.
    (root / 'DIR').mkdir()
    for name, scene in (('cat', first), ('dog', second)):
        os.link(scene, root / f'DIR/{name}.jpg')
        os.link(scene, root / f'{name}.jpg')
    # Beside README in a clone.
    for name in ('tools', 'configs'):
        (root / name).symlink_to(ROOT / name)
    data = root / 'data'
    (data / 'study').mkdir(parents=True)
    for name in ('eurosat', 'pets'):
        (data / 'study' / name).symlink_to(scenes)
    _imagenet(data / 'imagenet', first)
    for split in ('train2017', 'val2017'):
        path = annotated(data / 'coco', split, ('cat', 'dog'))
        change(path, _name_all_classes)
    _ade20k(data / 'ade/ADEChallengeData2016')
    return root


def use(name: str) -> None:
    """Have ``DIR`` be another folder of these."""
    Path('DIR').unlink()
    Path('DIR').symlink_to(name)


def _many(root: Path, scene: Path) -> None:
    """One scene again and again, for a step of 512 pictures."""
    for split, count in (('train', 512), ('val', 6)):
        folder = root / split / 'grass'
        folder.mkdir(parents=True)
        for number in range(count):
            os.link(scene, folder / f'{number}.jpg')


def _checkpoints(root: Path) -> None:
    """Random weights at published sizes."""
    state = ccmim_mm.load('ccmim_vit-b', device='cpu').model.state_dict()
    torch.save(dict(state_dict=state), root / 'CKPT.pth')
    released = convert(state, 'project', 'ccmim').state
    torch.save(dict(model=released), root / 'RELEASE.pth')
    encoder = {k: v for k, v in state.items() if k.startswith('backbone.')}
    torch.save(dict(state_dict=encoder), root / 'OLD.pth')
    path = ROOT / 'configs/segmentation/upernet_vit-b_160k_ade20k.py'
    with DefaultScope.overwrite_default_scope('mmseg'):
        best = MODELS.build(Config.fromfile(path).model).state_dict()
    torch.save(dict(state_dict=best), root / 'BEST.pth')


def _name_all_classes(content: dict) -> None:
    """COCO's 80, of which the two that are there keep their numbers."""
    known = {category['name'] for category in content['categories']}
    content['categories'] += [
        dict(id=100 + number, name=name)
        for number, name in enumerate(CocoDataset.METAINFO['classes'])
        if name not in known
    ]


def _imagenet(root: Path, picture: Path) -> None:
    """A picture in each of a thousand classes."""
    for split in ('train', 'val'):
        for number in range(1000):
            folder = root / split / f'n{number:08}'
            folder.mkdir(parents=True)
            os.link(picture, folder / '1.JPEG')


def _ade20k(root: Path) -> None:
    """Two pictures a split, of walls and sky."""
    for split in ('training', 'validation'):
        for kind in ('images', 'annotations'):
            (root / kind / split).mkdir(parents=True)
        for number in (1, 2):
            labels = np.repeat(np.uint8([1, 3]), 40)[:, None].repeat(60, 1)
            picture = Image.fromarray(labels * 80).convert('RGB')
            name = f'ADE_{number:08}'
            picture.save(root / f'images/{split}/{name}.jpg')
            Image.fromarray(labels).save(
                root / f'annotations/{split}/{name}.png'
            )
