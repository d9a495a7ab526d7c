"""mmengine's runner on whatever machine there is."""

import copy
import os
from datetime import timedelta

import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.model import (
    MMDistributedDataParallel,
    revert_sync_batchnorm,
)
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from .console_runner import ConsoleRunner
from .loader_workers import shield

#: Open files of a process, as many of them as the machine allows.
OPEN_FILES = 2**20
#: Seconds that a rank waits for another, where the config does not say:
#: longer than a check of the data or an evaluation by one takes.
PATIENCE = 1800


def seconds_to_wait(env_cfg: dict | None) -> float:
    """How long a rank waits for another, see :data:`PATIENCE`."""
    dist_cfg = (env_cfg or {}).get('dist_cfg') or {}
    return dist_cfg.get('timeout') or PATIENCE


class PortableRunner(ConsoleRunner):
    """A runner that takes a config as it is to machines without a GPU.

    There several processes form a gloo group and train on the CPU, memory
    is not pinned, and SyncBN is BN. Takes the parent's arguments.
    """

    # Of the parent.
    cfg: Config

    def setup_env(self, env_cfg: dict) -> None:
        """Set the environment up; without a GPU the group is gloo's.

        Ranks wait for each other for :data:`PATIENCE` seconds, or for
        ``dist_cfg.timeout``, whatever the group. The soft limit of open files
        becomes the hard one, up to :data:`OPEN_FILES`, if ``env_cfg`` has no
        ``resource_limit``: a gloo group takes a socket for every rank, and
        mmengine sets it to 4,096.

        Args:
            env_cfg: See the parent; left as it is.

        Raises:
            ValueError: If there are more processes than GPUs.
        """
        gpus = torch.cuda.device_count()
        processes = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
        if gpus and self.distributed and processes > gpus:
            raise ValueError(
                f'{processes} processes for {gpus} GPUs: start {gpus}'
            )
        # torch's own is 10 minutes of NCCL's, in which one rank cannot read
        # every label map.
        dist_cfg = dict(env_cfg.get('dist_cfg') or {})
        dist_cfg['timeout'] = seconds_to_wait(env_cfg)
        if self.distributed and not gpus and not is_distributed():
            # mmengine's own start wants a GPU, whatever the backend.
            torch_dist.init_process_group(
                'gloo', timeout=timedelta(seconds=dist_cfg['timeout'])
            )
        filled = dict(resource_limit=OPEN_FILES) | env_cfg
        super().setup_env(dict(filled, dist_cfg=dist_cfg))

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module):
        """Wrap the model for several processes, of a CPU too.

        Raises:
            ValueError: If there is no GPU, and another wrapper is asked for.
        """
        if not self.distributed or torch.cuda.is_available():
            return super().wrap_model(model_wrapper_cfg, model)
        self.logger.info(
            f'No GPU: {self.world_size} gloo processes on the CPU'
        )
        options = dict(
            type='MMDistributedDataParallel',
            # Each process keeps its own BatchNorm statistics, as on GPUs.
            broadcast_buffers=False,
            find_unused_parameters=self.cfg.get(
                'find_unused_parameters', False
            ),
        )
        options.update(model_wrapper_cfg or {}, device_ids=None)
        kind = options.pop('type')
        if str(kind).rpartition('.')[2] != 'MMDistributedDataParallel':
            raise ValueError(
                f'model_wrapper_cfg.type={kind!r} is for GPUs, and there is '
                "none: set it to 'MMDistributedDataParallel'"
            )
        return MMDistributedDataParallel(
            # SyncBN exists for GPUs alone.
            revert_sync_batchnorm(model),
            **options,
        )

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict,
        seed: int | None = None,
        diff_rank_seed: bool = False,
    ) -> DataLoader:
        """Build a loader as this machine can have it, see the parent."""
        if isinstance(dataloader, dict):
            dataloader = copy.deepcopy(dataloader)
            if not dataloader.get('num_workers'):
                # torch refuses none that persist.
                dataloader['persistent_workers'] = False
            if not torch.cuda.is_available():
                # It serves the copy to a GPU, and warns without one.
                dataloader['pin_memory'] = False
            if isinstance(dataloader.get('collate_fn'), dict):
                # Noted in what another library's config brings along; the
                # parent would hand it to the function.
                dataloader['collate_fn'].pop('_scope_', None)
            built = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
            return shield(built)
        return dataloader
