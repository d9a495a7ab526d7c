"""What a run logged, read again."""

import json

from ccmim_mm.visualization import read_scalars, training_rows


def test_lines_that_were_cut_off_are_left_out(tmp_path):
    """By SIGKILL, or a full disk; of steps done twice the later counts."""
    first, second = (tmp_path / f'{i}/vis_data' for i in range(2))
    for folder in (first, second):
        folder.mkdir(parents=True)
    rows = [dict(iter=i, loss=1.0 / i) for i in (1, 2)]
    text = '\n'.join(map(json.dumps, rows))
    (first / 'scalars.json').write_bytes(text.encode() + b'\n{"it\xff')
    (second / 'scalars.json').write_text('12\n{"iter": 2, "loss": 3.0}\n\n')
    assert read_scalars(tmp_path) == [*rows, dict(iter=2, loss=3.0)]
    assert training_rows(tmp_path) == [rows[0], dict(iter=2, loss=3.0)]
