"""Tars that must not be believed, by name: functions that write one."""

import gzip
import io
import tarfile
from pathlib import Path

#: A header's fields: where they begin and end.
SIZE, SUM = slice(124, 136), slice(148, 156)


def member(name: str, content: bytes = b'x', **fields) -> bytes:
    """A member: header, content and padding."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in fields.items():
        setattr(entry, key, value)
    header = entry.tobuf(tarfile.PAX_FORMAT)
    return header + content + bytes(-len(content) % 512)


def summed(header: bytes) -> bytes:
    """A header with the checksum that it should have."""
    found = bytearray(header)
    found[SUM] = b' ' * 8
    found[SUM] = b'%06o\0 ' % sum(found[:512])
    return bytes(found)


def with_size(field: bytes) -> bytes:
    """A good picture, and one that says it has another size."""
    header = bytearray(member('b.png'))
    header[SIZE] = field.ljust(12, b'\0')
    return GOOD + summed(header)


def extended(data: bytes, kind: bytes = b'x') -> bytes:
    """A good picture, and one behind a header that says more of it."""
    return GOOD + member('head', data, type=kind) + member('b.png')


def damaged(place: int) -> bytes:
    """Two pictures, a byte of the second's header changed."""
    content = bytearray(GOOD + member('b.png'))
    content[1024 + place] ^= 1
    return bytes(content)


GOOD = member('a.png')
END = bytes(1024)

#: What is refused, and what the error says.
REFUSED = {
    'no bytes': (b'', '0 bytes are no tar'),
    'a page of HTML': (b'<html>' * 200, 'damaged at byte 0'),
    'random': (bytes(range(1, 256)) * 9, 'damaged at byte 0'),
    'gzip': (gzip.compress(GOOD + END), 'gzip -d'),
    'bzip2': (b'BZh9' + bytes(600), 'bzip2 -d'),
    'zstd': (b'\x28\xb5\x2f\xfd' + bytes(600), 'zstd -d'),
    'a byte of a name': (damaged(0), 'byte 1024 .the checksum'),
    'a byte of a checksum': (damaged(150), 'byte 1024'),
    'a negative size': (
        with_size(b'\xff' * 11 + b'\xfe'),
        'byte 1024 .a negative size',
    ),
    'minus in a size': (with_size(b'-0000001'), 'a number that is none'),
    'nines in a size': (with_size(b'99999'), 'byte 1024'),
    'PAX of no length': (extended(b'0 path=b.png\n'), 'an extended header'),
    'PAX too long': (extended(b'99 path=b.png\n'), 'an extended header'),
    'PAX without =': (extended(b'7 path\n'), 'an extended header'),
    'PAX of text': (extended(b'all is well'), 'an extended header'),
    'PAX size of text': (extended(b'10 size=-\n'), 'a size that is none'),
    'PAX of 2 MiB': (extended(bytes(2 << 20)), 'a header of 2097152'),
    'long name of 2 MiB': (extended(bytes(2 << 20), b'L'), 'of 2097152'),
}

#: What is left out and said, the picture a.png of it being good.
LEFT_OUT = {
    'a hard link': (member('b.png', b'', type=b'1'), 'links or no files'),
    'a link': (member('b.png', b'', type=b'2'), 'links or no files'),
    'a device': (member('b.png', b'', type=b'3'), 'links or no files'),
    'sparse': (member('b.png', type=b'S'), 'sparse'),
    'sparse by PAX': (
        member('head', b'22 GNU.sparse.major=1\n', type=b'x')
        + member('b.png'),
        'sparse',
    ),
    'above': (member('../b.png'), 'leads elsewhere'),
    'above within': (member('x/../../b.png'), 'leads elsewhere'),
    'absolute': (member('/b.png'), 'leads elsewhere'),
    'NUL by PAX': (
        member('head', b'14 path=b\0.pn\n', type=b'x') + member('b.png'),
        'leads elsewhere',
    ),
    'twice': (member('a.png', b'new'), 'a later one'),
    'cut in its content': (member('b.png', b'y' * 900)[:-512], 'cut off'),
    'cut in its header': (member('b.png')[:300], 'cut off'),
    'a terabyte': (with_size(b'\x80' + bytes(4) + b'\1' + bytes(5) + b'\0')[
        1024:
    ], 'cut off'),
    'cut in its long name': (
        member('head', b'n' * 3000, type=b'L')[:-512],
        'cut off',
    ),
    'two in one': (END + member('b.png') + END, 'behind the end'),
}  # fmt: skip


def shard(path: Path, members: dict[str, bytes | str], **options) -> Path:
    """A good tar, as the standard library writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w', **options) as tar:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path
