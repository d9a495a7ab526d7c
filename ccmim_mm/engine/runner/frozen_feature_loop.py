"""Validation of pre-training: kNN and a linear probe on frozen features."""

import torch
from mmengine.dist import all_gather, broadcast_object_list, is_main_process
from mmengine.registry import LOOPS
from mmengine.runner import BaseLoop
from mmpretrain.utils import get_ori_model
from torch import Tensor
from torch.utils.data import DataLoader

from ...evaluation import (
    Rows,
    finite_rows,
    knn_accuracy,
    linear_probe_accuracy,
    undisturbed,
)
from ...models import features_of
from ..points import remember
from .loader_workers import batches_of

#: The label of a picture that could not be read.
UNREADABLE = -2


@LOOPS.register_module()
class FrozenFeatureLoop(BaseLoop):
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

    The results (``knn_cls``, ``linear_cls``, ..., percent) are also kept
    with their iteration as ``frozen_features`` in the message hub, so they
    outlive a resume.

    Args:
        runner: The runner.
        dataloader: Queries; under an unshuffled ``SeededSampler``.
        evaluator: Not used; the runner insists on one, give ``[]``.
        bank_dataloader: Bank; likewise.
        k: Neighbours of the kNN.
        temperature: Temperature of the kNN.
        seed: Seed of the linear probe.

    Raises:
        ValueError: If no class of the queries is in the bank, no picture
            could be read, or k or temperature are out of range.
    """

    #: Names of the hooks that the loop calls.
    stage = 'val'

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

    def run(self) -> dict[str, float]:
        """Evaluate once.

        Returns:
            ``knn_*`` and ``linear_*`` of each feature that is finite, in
            percent.
        """
        call_hook = self.runner.call_hook
        call_hook(f'before_{self.stage}')
        call_hook(f'before_{self.stage}_epoch')
        with undisturbed(self.runner.model):
            bank, bank_labels = self._extract(self.bank_dataloader, 'bank')
            queries, labels = self._extract(self.dataloader, 'queries')
            labels = self._in_bank_classes(labels)
            metrics: list[dict[str, float]] = [{}]
            if is_main_process():
                for name in bank:
                    metrics[0] |= self._judge(
                        name, bank[name], bank_labels, queries[name], labels
                    )
            broadcast_object_list(metrics)
        if metrics[0]:
            remember(self.runner, 'frozen_features', metrics[0])
        elif self.stage == 'test':
            raise ValueError(
                'no feature is finite in bank and queries alike: there is '
                'nothing to report'
            )
        call_hook(f'after_{self.stage}_epoch', metrics=metrics[0])
        call_hook(f'after_{self.stage}')
        return metrics[0]

    def _judge(
        self,
        name: str,
        bank: Tensor,
        bank_labels: Tensor,
        queries: Tensor,
        labels: Tensor,
    ) -> dict[str, float]:
        """Figures of one feature; of one that is not finite, none."""
        good, right = finite_rows(bank), finite_rows(queries)
        for kind, rows in (('bank', good), ('queries', right)):
            if broken := int((~rows).sum()):
                self.runner.logger.warning(
                    f'{broken} of {len(rows)} features of the {kind} '
                    f'({name}) are not finite and left out'
                )
        if not (good.any() and right.any()):
            return {}
        data = bank[good], bank_labels[good], queries[right], labels[right]
        return {
            f'knn_{name}': knn_accuracy(
                *data, k=self.k, temperature=self.temperature
            ),
            f'linear_{name}': linear_probe_accuracy(*data, seed=self.seed),
        }

    def _extract(
        self, dataloader: DataLoader, kind: str
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Features of the pictures that could be read, and their labels.

        Args:
            dataloader: The pictures.
            kind: What to call them.

        Returns:
            Features by name, each ``(N, C)``, and labels ``(N,)``.

        Raises:
            ValueError: If none could be read.
        """
        model = get_ori_model(self.runner.model)
        local = len(dataloader.sampler)  # type: ignore[arg-type]
        found: dict[str, Rows] = {}
        labels = Rows(local)
        for batch in batches_of(dataloader):
            self.runner.call_hook('before_batch_judged')
            failed = []
            for sample in batch['data_samples']:
                failures = sample.get('unreadable', ())
                failed.append(bool(failures))
                for failure in failures:
                    self.runner.logger.warning(
                        f'Unreadable, not judged: {failure}'
                    )
            batch = model.data_preprocessor(batch, False)
            for name, part in features_of(model, batch['inputs']).items():
                found.setdefault(name, Rows(local)).add(part)
            truth = torch.cat([s.gt_label for s in batch['data_samples']])
            # What stands in their place is judged in its own.
            truth[torch.tensor(failed, device=truth.device)] = UNREADABLE
            labels.add(truth)
        total = len(dataloader.dataset)  # type: ignore[arg-type]
        features = {
            name: _gather_strided(rows.rows(), total)
            for name, rows in found.items()
        }
        device = next(iter(features.values())).device
        every = _gather_strided(labels.rows().to(device), total)
        read = every != UNREADABLE
        if count := int((~read).sum()):
            self.runner.logger.warning(
                f'{total - count} of {total} pictures of the {kind} judged: '
                'the others could not be read'
            )
        if not read.any():
            raise ValueError(f'no picture of the {kind} could be read')
        kept = {name: rows[read] for name, rows in features.items()}
        return kept, every[read]

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


def _gather_strided(local: Tensor, total: int) -> Tensor:
    """All ranks' rows in dataset order, padding cut off.

    Args:
        local: Rank r's rows r, r + W, r + 2W, ..., equally many on each.
        total: Rows of the dataset.
    """
    ranks = all_gather(local.contiguous())
    if len(ranks) == 1:
        return local[:total]
    return torch.stack(ranks, dim=1).flatten(0, 1)[:total]
