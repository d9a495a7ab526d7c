"""Validation of pre-training by what its features are like."""

import math

import torch
from mmengine.dist import all_gather, broadcast_object_list, is_main_process
from mmengine.registry import LOOPS
from mmengine.runner import BaseLoop
from mmpretrain.utils import get_ori_model
from torch import Tensor
from torch.utils.data import DataLoader

from ...evaluation import Rows, alpha_req, finite_rows, rankme, undisturbed
from ...models import features_of
from ..points import remember
from .loader_workers import batches_of
from .sharded_runner import whole_model

#: The label of a picture without one, and of one that could not be read.
NO_LABEL, UNREADABLE = -1, -2


class FeatureLoop(BaseLoop):
    """Extract features of pictures, leaving the training undisturbed."""

    #: Names of the hooks that the loop calls.
    stage = 'val'

    def run(self) -> dict[str, float]:
        """Evaluate once.

        Returns:
            The figures of each feature that is finite.
        """
        call_hook = self.runner.call_hook
        call_hook(f'before_{self.stage}')
        call_hook(f'before_{self.stage}_epoch')
        with whole_model(self.runner), undisturbed(self.runner.model):
            metrics = [self.measure()]
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

    def measure(self) -> dict[str, float]:
        """Of all ranks; what rank 0 returns counts."""
        raise NotImplementedError

    def finite(self, features: Tensor, name: str, kind: str) -> Tensor:
        """Which rows are finite, ``(N,)``; it is said if some are not."""
        good = finite_rows(features)
        if broken := int((~good).sum()):
            self.runner.logger.warning(
                f'{broken} of {len(good)} features of the {kind} ({name}) '
                'are not finite and left out'
            )
        return good

    def extract(
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
            truth = torch.tensor(
                [s.get('gt_label', NO_LABEL) for s in batch['data_samples']]
            )
            # What stands in their place is judged in its own.
            truth[torch.tensor(failed)] = UNREADABLE
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


@LOOPS.register_module()
class LabelFreeLoop(FeatureLoop):
    """Judge the encoder by the spectrum of its features, without labels.

    ``rankme_*`` and ``alpha_*`` of each feature that the model gives, see
    :func:`ccmim_mm.evaluation.rankme` and
    :func:`ccmim_mm.evaluation.alpha_req`. They warn of a collapse; they are
    no accuracy. Kept and undisturbing as :class:`FrozenFeatureLoop`'s.

    Args:
        runner: The runner.
        dataloader: Pictures; under an unshuffled ``SeededSampler``.
        evaluator: Not used; the runner insists on one, give ``[]``.

    Raises:
        ValueError: If no picture could be read.
    """

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        evaluator: list | dict,
    ) -> None:
        super().__init__(runner, dataloader)

    def measure(self) -> dict[str, float]:
        """Of the pictures."""
        features, _ = self.extract(self.dataloader, 'pictures')
        metrics: dict[str, float] = {}
        if is_main_process():
            for name, rows in features.items():
                good = self.finite(rows, name, 'pictures')
                metrics |= spectrum_figures(name, rows[good])
        return metrics


def spectrum_figures(name: str, features: Tensor) -> dict[str, float]:
    """What features tell without labels; what has no value is left out."""
    if not len(features):
        return {}
    figures = {
        f'rankme_{name}': rankme(features),
        f'alpha_{name}': alpha_req(features),
    }
    return {k: v for k, v in figures.items() if math.isfinite(v)}


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
