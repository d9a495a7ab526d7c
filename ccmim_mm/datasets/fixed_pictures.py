"""The same pictures throughout a run, for hooks that look at them."""

import torch
from mmengine.dataset import BaseDataset

from .seeded import SampleKey, Seeded


def load_fixed_pictures(dataset: BaseDataset, count: int, seed: int) -> dict:
    """Load pictures spread evenly over a dataset.

    One rank may do so alone, once all have built it. The next picture stands
    in for one that cannot be read.

    Args:
        dataset: The dataset, listed already.
        count: How many, at most all.
        seed: Seed of the pipeline.

    Returns:
        A batch for the data preprocessor: ``inputs``, ``(n, C, H, W)``, and
        ``data_samples``.

    Raises:
        OSError: If none of the pictures in a row can be read.
    """
    total = len(dataset)
    if not isinstance(dataset, Seeded):
        dataset = Seeded(dataset)
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
