"""Validation of pre-training by a kNN and a linear probe."""

import torch
from mmengine.dist import is_main_process
from mmengine.registry import LOOPS
from torch import Tensor
from torch.utils.data import DataLoader

from ...evaluation import knn_accuracy, linear_probe_accuracy
from .feature_loop import FeatureLoop, spectrum_figures


@LOOPS.register_module()
class FrozenFeatureLoop(FeatureLoop):
    """Judge the encoder by its features, leaving the training undisturbed.

    Features of the bank (training pictures) and the queries (validation
    pictures), unmasked and centre-cropped, are extracted on all ranks; rank
    0 classifies. Every feature that the model gives is judged (of a ViT the
    CLS token and the mean of the patches, since methods differ in where they
    keep what they know), for any model that :func:`features_of` knows.
    Neither the training's random numbers nor its BatchNorm statistics are
    touched. Pictures that could not be read and features that are not finite
    are left out, and it is said of how many; a feature without any that are
    finite has no figure.

    The results (``knn_cls``, ``linear_cls``, ..., in percent, and of the
    bank without its labels ``rankme_cls``, ``alpha_cls``, ..., see
    :class:`LabelFreeLoop`) are also kept with their iteration as
    ``frozen_features`` in the message hub, so they outlive a resume.

    Args:
        runner: The runner.
        dataloader: Queries; under an unshuffled ``SeededSampler``.
        evaluator: Not used; the runner insists on one, give ``[]``.
        bank_dataloader: Bank; likewise.
        k: Neighbours of the kNN.
        temperature: Temperature of the kNN.
        seed: Seed of the linear probe.

    Raises:
        ValueError: If no class of the queries is in the bank, a picture has
            no label, none could be read, or k or temperature are out of
            range.
    """

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        evaluator: list | dict,
        bank_dataloader: DataLoader | dict,
        k: int = 20,
        temperature: float = 0.07,
        seed: int = 0,
    ) -> None:
        super().__init__(runner, dataloader)
        if k < 1 or not temperature > 0:
            raise ValueError(
                f'val_cfg (test_cfg) has k={k} and temperature={temperature}:'
                ' set k to 1 or more and temperature above 0'
            )
        # Any fixed seed: it only names workers' generators.
        self.bank_dataloader = runner.build_dataloader(bank_dataloader, seed)
        self.k = k
        self.temperature = temperature
        self.seed = seed

    def measure(self) -> dict[str, float]:
        """Of bank and queries."""
        bank, bank_labels = self.extract(self.bank_dataloader, 'bank')
        queries, labels = self.extract(self.dataloader, 'queries')
        for kind, given in (('bank', bank_labels), ('queries', labels)):
            if count := int((given < 0).sum()):
                raise ValueError(
                    f'{count} of {len(given)} pictures of the {kind} have no '
                    'label or one below 0: leave them out of its data set, '
                    "or judge without labels, val_cfg.type='LabelFreeLoop'"
                )
        labels = self._in_bank_classes(labels)
        metrics: dict[str, float] = {}
        if is_main_process():
            for name in bank:
                metrics |= self._judge(
                    name, bank[name], bank_labels, queries[name], labels
                )
        return metrics

    def _judge(
        self,
        name: str,
        bank: Tensor,
        bank_labels: Tensor,
        queries: Tensor,
        labels: Tensor,
    ) -> dict[str, float]:
        """Figures of one feature; of one that is not finite, none."""
        good = self.finite(bank, name, 'bank')
        right = self.finite(queries, name, 'queries')
        if not (good.any() and right.any()):
            return {}
        data = bank[good], bank_labels[good], queries[right], labels[right]
        return {
            f'knn_{name}': knn_accuracy(
                *data, k=self.k, temperature=self.temperature
            ),
            f'linear_{name}': linear_probe_accuracy(*data, seed=self.seed),
        } | spectrum_figures(name, bank[good])

    def _in_bank_classes(self, labels: Tensor) -> Tensor:
        """Number the queries' classes by name as the bank's, -1 if new."""
        known = self.bank_dataloader.dataset.metainfo['classes']
        names = self.dataloader.dataset.metainfo['classes']
        table = [known.index(n) if n in known else -1 for n in names]
        if max(table) < 0:
            raise ValueError(
                f'no class of val/ is in train/: {names[:3]}... against '
                f'{known[:3]}...: name the class folders alike'
            )
        return torch.tensor(table, device=labels.device)[labels]


@LOOPS.register_module()
class FrozenFeatureTestLoop(FrozenFeatureLoop):
    """The same on a finished checkpoint, for ``tools/test.py``.

    Raises:
        ValueError: Beside the parent's reasons, if no feature is finite.
    """

    stage = 'test'
