"""The same pictures throughout a run, for hooks that look at them."""

import torch
from mmengine.registry import DATASETS

from .listing import listing_alone
from .seeded import SampleKey, Seeded


def load_fixed_pictures(
    dataset_cfg: dict, count: int, seed: int
) -> tuple[dict, int]:
    """Load pictures spread evenly over a dataset.

    One rank may do so alone. The next picture stands in for one that cannot
    be read.

    Args:
        dataset_cfg: Config of the dataset.
        count: How many, at most all.
        seed: Seed of the pipeline.

    Returns:
        A batch for the data preprocessor: ``inputs``, ``(n, C, H, W)``, and
        ``data_samples``; and how many pictures the dataset has.

    Raises:
        OSError: If none of the pictures in a row can be read, or the folder
            cannot be listed.
        ValueError: As the dataset.
    """
    with listing_alone():
        dataset = DATASETS.build(dataset_cfg)
        total = len(dataset)
    if not isinstance(dataset, Seeded):
        dataset = Seeded(dataset)
    count = min(count, total)
    rows = [i * total // count for i in range(count)]
    samples = []
    for row in rows:
        spares = tuple((row + i) % total for i in range(1, 9))
        samples.append(dataset[SampleKey(seed, 0, row, spares)])
    batch = dict(
        inputs=torch.stack([s['inputs'] for s in samples]),
        data_samples=[s['data_samples'] for s in samples],
    )
    return batch, total
