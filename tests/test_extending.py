"""docs/extending.md: its example, as it stands there, outside the clone."""

import os
import re
import subprocess
import sys

import torch
from conftest import ROOT


def test_the_example_runs_outside_the_clone(picture_folder, tmp_path):
    text = (ROOT / 'docs/extending.md').read_text()
    assert len(text.splitlines()) <= 80
    method, config = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    (command,) = re.findall(r'```bash\n(.*?)```', text, re.DOTALL)
    (tmp_path / 'my_methods.py').write_text(method)
    (tmp_path / 'my_config.py').write_text(config.replace('CLONE', str(ROOT)))
    command = command.replace('CLONE', str(ROOT)).strip()
    command = command.replace('python ', f'{sys.executable} ')
    command = command.replace('DIR', str(picture_folder))
    options = ' --device cpu --cfg-options train_cfg.max_epochs=1'
    done = subprocess.run(
        ['bash', '-c', command + options],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'linear_cls' in done.stdout
    work_dir = tmp_path / 'work_dirs/my_config'
    assert (work_dir / 'panels/epoch_0001.png').exists()
    saved = work_dir / 'epoch_1.pth'
    state = torch.load(saved, weights_only=True)['state_dict']
    assert {n for n in state if n.startswith('colours')} == {
        'colours.weight',
        'colours.bias',
    }
