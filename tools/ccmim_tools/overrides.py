"""What stands after ``--cfg-options``, as values; imports torch."""

import ast
import re
from typing import Any

from mmengine.config import DictAction

#: A quoted text that is a whole item, or else a character.
_TOKEN = re.compile(
    r"""(?<![^,:([{])\s*(?:'[^']*'|"[^"]*")(?=\s*(?:[],:)}]|$))|.""", re.S
)


class OverridesAction(DictAction):
    """mmengine's ``KEY=VALUE`` into a dict, which loses nothing of a value.

    Commas make a list, with or without brackets, and ``None``, ``true`` and
    numbers are what they say, as in mmengine; but spaces within a text stay.
    Quoted texts and dicts, in lists too, are Python's.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """The value of a text, which is never run.

        Raises:
            ValueError: If it is a dict that is not Python's, or brackets
                around commas do not match.
        """
        val = val.strip()
        try:
            return _literal(val)
        except (ValueError, SyntaxError, TypeError, MemoryError):
            # Texts in lists need no quotes.
            pass
        ends = val[:1] + val[-1:]
        if ends == '{}':
            raise ValueError(
                f'{val} is no dict: put its keys and texts in quotes, and '
                'write True, False and None so'
            )
        parts = _split(val) if ',' in val else [val]
        if len(parts) == 1 and ends in ('()', '[]'):
            parts = _split(val[1:-1])
        elif len(parts) == 1:
            return DictAction._parse_int_float_bool(val)
        else:
            ends = ''
        if not parts[-1].strip():
            parts.pop()
        values = [OverridesAction._parse_iterable(part) for part in parts]
        return tuple(values) if ends == '()' else values


def as_override(key: str, value: Any) -> str:
    """Write a value as ``KEY=VALUE`` that is parsed to it again.

    A text comes in quotes if it needs them, as one with a comma does.
    """
    text = str(value)
    if isinstance(value, str):
        try:
            same = OverridesAction._parse_iterable(text) == value
        except ValueError:
            same = False
        text = text if same else repr(text)
    return f'{key}={text}'


def _literal(text: str) -> Any:
    """What a text with quotes or brackets is in Python.

    Raises:
        ValueError: If it has neither, or means something else there than in
            mmengine; several exceptions more if it is no literal.
    """
    if not text.startswith(('"', "'", '(', '[', '{')):
        raise ValueError(text)
    # In brackets, as several are a list.
    values = ast.literal_eval(f'[{text}]')
    if len(values) > 1 or text.endswith(','):
        return values
    if text.startswith('(') and not isinstance(values[0], tuple):
        raise ValueError(f'{text} is a tuple of one')
    return values[0]


def _split(text: str) -> list[str]:
    """Parts of a text between commas that are in no brackets or quotes.

    Raises:
        ValueError: If the brackets do not match.
    """
    parts, depth = [''], 0
    for token in _TOKEN.findall(text):
        depth += (token in '([{') - (token in ')]}')
        if depth < 0:
            break
        if token == ',' and not depth:
            parts.append('')
        else:
            parts[-1] += token
    if depth:
        raise ValueError(
            f'{text}: brackets do not match: put texts that have one in quotes'
        )
    return parts
