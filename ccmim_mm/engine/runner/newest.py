"""Which checkpoint of a work dir a run goes on from."""

from pathlib import Path

from mmengine.logging import MMLogger

from ...checkpoints import check_archive

#: Names that a run's own checkpoints have.
NAMES = ('epoch_*.pth', 'iter_*.pth', 'preempted.pth')


def newest_checkpoint(work_dir: str | Path, logger: MMLogger) -> str | None:
    """The newest checkpoint of a work dir that is whole.

    Args:
        work_dir: The folder.
        logger: Where to name those that are passed over.

    Returns:
        Its path; None if there is none.
    """
    last = Path(work_dir, 'last_checkpoint')
    found = {
        path: path.stat().st_mtime_ns
        for kind in NAMES
        for path in Path(work_dir).glob(kind)
    }
    paths = sorted(found, key=found.__getitem__, reverse=True)
    if last.is_file():
        named = Path(last.read_text().strip())
        # By its name: the work dir may have been moved.
        paths.sort(key=lambda path: path.name != named.name)
    for path in paths:
        try:
            check_archive(path)
        except (ValueError, OSError) as error:
            logger.warning(f'Passed over: {error}')
        else:
            return str(path)
    return None
