"""The site of the docs: ``make docs``."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from ccmim_mm.version import __version__  # noqa: E402

project = 'ccmim_mm'
release = __version__
extensions = [
    # With myst_parser in it.
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
html_theme = 'furo'
html_title = f'ccmim_mm {release}'
exclude_patterns = ['_build']
myst_heading_anchors = 4
suppress_warnings = ['myst.header']
# Notebooks are shown as they were run.
nb_execution_mode = 'off'
# What a class or function is, under the name that it is imported by.
autodoc_default_options = {'members': True, 'imported-members': True}
autodoc_typehints = 'description'
autodoc_member_order = 'alphabetical'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Attributes of a named tuple are its members already.
napoleon_use_ivar = True

#: A link to a file of the repository, which is no page.
_FILE = re.compile(
    r'\[([^\]]+)\]\(((?:\.\./)+|)(?!https?:|#|mailto:)'
    r'([\w./-]+?)(#[\w-]+)?\)'
)


def as_text(app, name: str, source: list[str]) -> None:
    """Name files of the repository instead of linking to them."""
    here = ROOT / 'docs' / name

    def told(match: re.Match) -> str:
        text, up, path, _ = match.groups()
        place = (here.parent / (up or '') / path).resolve()
        if place.suffix in ('.md', '.png', '.ipynb') and (
            ROOT / 'docs' in place.parents
        ):
            return match[0]
        return text if '`' in text else f'{text} (`{path}`)'

    source[0] = _FILE.sub(told, source[0])


def setup(app) -> None:
    """Have pages read so."""
    app.connect('source-read', as_text)
