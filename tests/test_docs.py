"""What README and docs point to is there."""

import re

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.apis import ModelHub

import ccmim_mm
from ccmim_tools.demo import generate_demo

PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/**/*.md'))]


def anchors(page):
    heads = re.findall(r'^#+ (.+)$', page.read_text(), re.M)
    return {re.sub(r'[^\w -]', '', h.lower()).replace(' ', '-') for h in heads}


@pytest.mark.parametrize('page', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if '://' in link:
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def bases(page):
    return re.findall(r"_base_ = 'ccmim_mm::.*?'", page.read_text())


@pytest.mark.parametrize('page', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_bases_load_as_they_are_printed(page):
    for base in bases(page):
        assert Config.fromstring(base, '.py').model.type == 'CCMIM'


def test_bases_are_printed_on_several_pages():
    assert sum(bool(bases(page)) for page in PAGES) >= 4


def test_pages_that_code_names_are_there():
    named = {
        (str(path.relative_to(ROOT)), page)
        for folder in ('ccmim_mm', 'configs', 'tools', 'tests')
        for path in (ROOT / folder).rglob('*.py')
        for page in re.findall(r'\bdocs/[\w/-]+\.md', path.read_text())
    }
    assert len({page for _, page in named}) > 5
    assert [found for found in named if not (ROOT / found[1]).exists()] == []


@pytest.mark.filterwarnings('ignore:Unable to find pre-defined')
def test_the_python_page_runs(tmp_path, monkeypatch):
    """Every block of docs/python.md, one after the other."""
    generate_demo(tmp_path / 'scenes', 6, 12, workers=1)
    first = sorted((tmp_path / 'scenes/val').rglob('*.*'))[0]
    model = ccmim_mm.load('ccmim_vit-tiny_demo', device='cpu').model
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'epoch_32.pth')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ModelHub, '_ModelHub__mmpretrain_registered', True)
    page = (ROOT / 'docs/python.md').read_text()
    blocks = re.findall(r'^```python\n(.*?)^```$', page, re.M | re.S)
    assert len(blocks) == 5
    code = '\n'.join(blocks).replace(
        'scenes/val/grass/val_000002.jpg', str(first.relative_to(tmp_path))
    )
    exec(compile(code, 'docs/python.md', 'exec'), {})


LAUNCHES = [
    (str(page.relative_to(ROOT)), line)
    for page in PAGES
    for line in re.findall(
        r'^.*bash tools/(?:dist|slurm)_train\.sh .*configs/.*$',
        page.read_text(),
        re.M,
    )
    if '--auto-scale-lr' not in line
]


@pytest.mark.parametrize(('page', 'line'), LAUNCHES)
def test_what_is_launched_has_the_pictures_that_its_rate_is_for(page, line):
    nodes = re.search(r'NODES=(\d+)', line)
    config, gpus = re.search(r'(configs/\S+\.py) ?(\d*)', line).groups()
    told = re.search(r'accumulative_counts=(\d+)', line)
    cfg = Config.fromfile(ROOT / config)
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    processes = int(nodes[1] if nodes else 1) * int(gpus or 8)
    batch = processes * cfg.train_dataloader.batch_size
    expected = cfg.auto_scale_lr.base_batch_size * counts
    assert batch * int(told[1] if told else counts) == expected


def test_lines_that_launch_were_found():
    assert len(LAUNCHES) > 10
