"""What a run was when it started, and whether it has ended well."""

import json
from pathlib import Path

from ccmim_mm.files import write_atomic

from .run import Run

#: What a run is, written before it starts, and that it has ended well.
RECORD, DONE = 'run.json', 'done'
#: In the former the folder of its pictures, which makes no other run of it:
#: the same pictures may lie elsewhere one day.
FOLDER = 'data_folder'


def is_done(run: Run, root: Path, data_root: Path | None = None) -> bool:
    """Whether a run has ended well.

    Args:
        run: The run.
        root: Work dir of the study.
        data_root: Folder with one folder per data set; None takes what was
            run on any. A record that names no folder is of any.

    Raises:
        ValueError: If it has been started as something else, or on other
            data.
    """
    path = run.work_dir(root) / RECORD
    if not path.is_file():
        return False
    record = json.loads(path.read_text())
    was = record.pop(FOLDER, None)
    if record != json.loads(json.dumps(run.record)):
        raise ValueError(
            f'{path.parent} was run with another config, content of it, or '
            'options than the grid has now: move it away to run it again, or '
            'take another --work-dir'
        )
    if was is not None and data_root is not None:
        now = _folder(run, data_root)
        if was != now:
            raise ValueError(
                f'{path.parent} was run on {was}, and --data-root gives it '
                f'{now}: take another --work-dir, or, if those pictures have '
                f'moved there, have {FOLDER} in its {RECORD} say so'
            )
    return (path.parent / DONE).exists()


def write_record(run: Run, root: Path, data_root: Path) -> None:
    """Write what a run is, and the folder of its pictures."""
    record = run.record | {FOLDER: _folder(run, data_root)}
    text = json.dumps(record, indent=2) + '\n'
    write_atomic(text.encode(), run.work_dir(root) / RECORD)


def _folder(run: Run, data_root: Path) -> str:
    return str(run.pictures(data_root).resolve())
