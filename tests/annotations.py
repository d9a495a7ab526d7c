"""Pictures whose objects are annotated as COCO does."""

import json

from PIL import Image

BOXES = [[4, 6, 20, 24], [40, 10, 16, 40]]


def annotated(root, split, categories):
    """Two pictures, 64 x 80, of one cat and one dog each."""
    (root / split).mkdir(parents=True)
    (root / 'annotations').mkdir(exist_ok=True)
    ids = dict(zip(categories, (5, 9), strict=True))
    annotations = []
    for number in (1, 2):
        Image.new('RGB', (64, 80)).save(root / split / f'{number}.jpg')
        for name, (x, y, w, h) in zip(('cat', 'dog'), BOXES, strict=True):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=ids[name],
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[
                        [x, y, x + w, y, x + w, y + h, x, y + h],
                    ],
                )
            )
    content = dict(
        images=[
            dict(id=n, file_name=f'{n}.jpg', width=64, height=80)
            for n in (1, 2)
        ],
        annotations=annotations,
        categories=[dict(id=i, name=name) for name, i in ids.items()],
    )
    path = root / f'annotations/instances_{split}.json'
    path.write_text(json.dumps(content))
    return path


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
