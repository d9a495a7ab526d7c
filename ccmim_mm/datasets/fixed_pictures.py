"""The same pictures throughout a run, for hooks that look at them."""

import torch
from mmengine.registry import DATASETS

from .seeded import SampleKey, Seeded


def load_fixed_pictures(dataset_cfg: dict, count: int, seed: int) -> dict:
    """Load pictures spread evenly over a dataset.

    To be called on all ranks, since listing a folder is done together. The
    next picture stands in for one that cannot be read.

    Args:
        dataset_cfg: Config of the dataset.
        count: How many, at most all.
        seed: Seed of the pipeline.

    Returns:
        A batch for the data preprocessor: ``inputs``, ``(n, C, H, W)``, and
        ``data_samples``.
    """
    dataset = DATASETS.build(dataset_cfg)
    if not isinstance(dataset, Seeded):
        dataset = Seeded(dataset)
    total = len(dataset)
    count = min(count, total)
    rows = [i * total // count for i in range(count)]
    samples = []
    for row in rows:
        spares = tuple((row + i) % total for i in range(1, 9))
        samples.append(dataset[SampleKey(seed, 0, row, spares)])
    return dict(
        inputs=torch.stack([s['inputs'] for s in samples]),
        data_samples=[s['data_samples'] for s in samples],
    )
