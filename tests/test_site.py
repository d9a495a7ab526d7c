"""What the site of the docs is built of: pages and public names."""

import importlib
import inspect
import re

import pytest
from conftest import ROOT

DOCS = ROOT / 'docs'
PAGES = sorted(p for p in DOCS.rglob('*.md') if '_build' not in p.parts)
PACKAGES = re.findall(
    r'^\.\. automodule:: (\S+)$', (DOCS / 'api.md').read_text(), re.MULTILINE
)


def test_every_page_is_in_the_table_of_contents():
    index = (DOCS / 'index.md').read_text()
    listed = re.findall(r'^([\w/*]+)$', index, re.MULTILINE)
    for page in PAGES:
        name = page.relative_to(DOCS).with_suffix('').as_posix()
        found = name in listed or f'{name.rpartition("/")[0]}/*' in listed
        assert found or name == 'index', name


def test_every_package_with_public_names_is_in_the_reference():
    root = ROOT / 'ccmim_mm'
    for path in root.rglob('__init__.py'):
        package = '.'.join(path.parent.relative_to(ROOT).parts)
        # Of layers and parts the packages above them have what is public.
        parts = ('ccmim_mm.models.', 'ccmim_mm.engine', 'ccmim_mm.datasets.')
        if package.startswith(parts) and package not in PACKAGES:
            continue
        assert package in PACKAGES, package


@pytest.mark.parametrize('package', PACKAGES)
def test_public_names_are_documented(package):
    module = importlib.import_module(package)
    assert module.__doc__
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or '').strip(), name
