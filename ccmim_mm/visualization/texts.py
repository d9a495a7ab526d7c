"""Names of people's choosing in what matplotlib draws."""

from ..files import printable


def as_text(name: object) -> str:
    """A name on one line, as it stands, also between dollars."""
    # Between two of them matplotlib reads formulas.
    return printable(name).replace('$', r'\$')
