"""What README and docs point to is there."""

import re

import pytest
from conftest import ROOT

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
