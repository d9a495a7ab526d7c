"""Ranks that do not do the same are found before they wait for each other."""

from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ...datasets import fingerprint
from ...models import PretrainMethod
from ..runner.settings import flatten, may_change

#: What may differ: where a rank writes and what it is called.
_MAY_DIFFER = ('work_dir', 'experiment_name', 'timestamp')


@HOOKS.register_module()
class AgreementHook(Hook):
    """Compare config, data, batches and what the method read, of all ranks.

    Before the first step.

    Raises:
        ValueError: On every rank, naming the ranks and what differs.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        """Compare."""
        loader = runner.train_dataloader
        config = {
            name: value
            for name, value in runner.cfg.to_dict().items()
            if name not in _MAY_DIFFER
        }
        # Per rank, so the same from all of them.
        flat = flatten(config)
        method = get_ori_model(runner.model)
        own = method.facts() if isinstance(method, PretrainMethod) else {}
        facts = dict(
            {name: v for name, v in flat.items() if not may_change(name)},
            **{
                'length of the data set': len(loader.dataset),
                'batches per epoch': len(loader),
                'names of the pictures': fingerprint(loader.dataset),
            },
            **own,
        )
        for rank, others in enumerate(all_gather_object(facts)):
            for name in sorted(facts.keys() | others.keys()):
                mine, theirs = facts.get(name), others.get(name)
                if mine != theirs:
                    raise ValueError(
                        f'ranks disagree on {name}: {mine!r} on rank '
                        f'{get_rank()}, {theirs!r} on rank {rank}; start '
                        'all with the same command on the same files'
                    )
