"""One header of a tar after the other, thousands at a time."""

import os
import re

import numpy as np

from .fields import check_sum, decimal, name_of, number, records

BLOCK = 512
#: A long name or a PAX header of more bytes is damage. Chosen here.
MOST_EXTENDED = 1 << 20
#: Headers that are checked at a time: one by one takes four times as long.
_BATCH = 4096
#: Behind a tar's end so many bytes are looked at. Chosen here.
_BEHIND = 1 << 16
_COMPRESSED = {
    b'\x1f\x8b': 'gzip -d',
    b'BZh': 'bzip2 -d',
    b'\xfd7zXZ\0': 'xz -d',
    b'\x28\xb5\x2f\xfd': 'zstd -d',
}
FIX = 'fetch the shard again, or take it out of the folder'
# Of links, devices, folders and pipes the header is all.
_NO_CONTENT = b'123456'
_PLAIN = b'07\0'
# Of an extended header that tells neither name nor size, as Python's tarfile
# writes one for every member whose time is no whole number.
_TIMES = re.compile(
    rb'(?:\d{1,3} (?:[acm]time|[ug]id|[ug]name)=[^\n\0]*\n)+\0*'
)
# In names that are not just taken, a line each: hidden, absolute, ...
_ODD = re.compile(rb'[\n/][\n/.]|\0')


class DamageError(Exception):
    """What is wrong with a tar, and what to do."""


class Scan:
    """One way through a tar; see :class:`TarIndex` for what it finds.

    Args:
        descriptor: The file, open.
        total: Its size in bytes.
    """

    def __init__(self, descriptor: int, total: int) -> None:
        self.descriptor, self.total = descriptor, total
        self.names: list[bytes] = []
        self.offsets: list[int] = []
        self.sizes: list[int] = []
        self.left_out: dict[str, tuple[int, str]] = {}
        self.cut_off = False
        # Of the member to come, and of all to come.
        self._own: dict[bytes, bytes] = {}
        self._all: dict[bytes, bytes] = {}

    def run(self) -> None:
        """List until the end; every turn leads on by a block or more."""
        self._check_start()
        place: int | None = 0
        while place is not None:
            place = self._slowly(self._fast(place))

    def _fast(self, place: int) -> int:
        """Pass over plain members; where something else begins."""
        headers: list[bytes] = []
        places: list[int] = []
        sizes: list[int] = []
        # Those that tell nothing of name or size, and where they end.
        times: list[bytes] = []
        ends: list[int] = []
        pread, descriptor, total = os.pread, self.descriptor, self.total
        if self._own or self._all:
            return place
        while True:
            page = pread(descriptor, 3 * BLOCK, place)
            header, content = page[:BLOCK], place + BLOCK
            tells_times = header[156:157] == b'x' and _TIMES.fullmatch(
                page[BLOCK : 2 * BLOCK]
            )
            if tells_times and header[124:135] <= b'00000001000':
                header, content = page[2 * BLOCK :], place + 3 * BLOCK
            # All else, the end too, is looked at closely.
            if len(header) < BLOCK or header[156] not in _PLAIN:
                break
            try:
                size = int(header[124:135], 8)
            except ValueError:
                break
            whole = 0 <= size <= total - content
            # A twelfth digit is rare, and none here.
            if not (header[0] and whole and header[135] <= ord(' ')):
                break
            if content > place + BLOCK:
                times.append(page[:BLOCK])
                ends.append(place + BLOCK)
            headers.append(header)
            places.append(content)
            sizes.append(size)
            place = content + (size + BLOCK - 1) // BLOCK * BLOCK
            if len(headers) == _BATCH:
                _check_all(times, ends)
                self._take(headers, places, sizes)
                headers, places, sizes, times, ends = [], [], [], [], []
        _check_all(times, ends)
        self._take(headers, places, sizes)
        return place

    def _take(
        self, headers: list[bytes], places: list[int], sizes: list[int]
    ) -> None:
        """Check the headers of plain members, and note these."""
        if not headers:
            return
        table = _check_all(headers, places)
        names = np.ascontiguousarray(table[:, :100]).view('S100')[:, 0]
        listed = names.tolist()
        joined = b'\n'.join([b'', *listed, b''])
        if not table[:, 345].any() and not _ODD.search(joined):
            self.names += listed
            self.offsets += places
            self.sizes += sizes
            return
        for header, place, size in zip(headers, places, sizes, strict=True):
            self._note(name_of(header), header[156], place, size)

    def _slowly(self, place: int) -> int | None:
        """Look at any header; where the next begins, None at the end."""
        header = self._read(BLOCK, place)
        if len(header) < BLOCK:
            # Without an end mark, but whole, if there is none left.
            self.cut_off = bool(header.strip(b'\0'))
            return None
        if not header.strip(b'\0'):
            self._look_behind(place)
            return None
        try:
            check_sum(header)
            following = self._member(header, place + BLOCK)
        except ValueError as error:
            raise _damage(place, error) from None
        self.cut_off = following is None
        return following

    def _read(self, size: int, place: int) -> bytes:
        return os.pread(self.descriptor, size, place)

    def _check_start(self) -> None:
        first = self._read(BLOCK, 0)
        for magic, command in _COMPRESSED.items():
            if first.startswith(magic):
                raise DamageError(
                    'compressed, and pictures are read where they lie: '
                    f'unpack it to a .tar with {command}'
                )
        if len(first) < BLOCK:
            raise DamageError(f'{len(first)} bytes are no tar; {FIX}')

    def _member(self, header: bytes, place: int) -> int | None:
        """Note a member; where the next begins, None if this is cut off."""
        kind = header[156]
        size = number(header[124:136])
        if kind in b'xgXLK':
            return self._extend(kind, size, place)
        own = {**self._all, **self._own}
        self._own = {}
        if b'size' in own:
            size = decimal(own[b'size'])
        if kind == ord('S'):
            place = self._past_sparse_map(header, place)
        elif kind in _NO_CONTENT:
            size = 0
        if size < 0:
            raise ValueError('a negative size')
        if place + size > self.total:
            return None
        name = own.get(b'path')
        if name is None:
            name = name_of(header)
        sparse = kind == ord('S') or any(k[:11] == b'GNU.sparse.' for k in own)
        self._note(name, 'sparse' if sparse else kind, place, size)
        return place + (size + BLOCK - 1) // BLOCK * BLOCK

    def _note(
        self, name: bytes, kind: int | str, place: int, size: int
    ) -> None:
        while name.startswith(b'./'):
            name = name[2:]
        if kind == ord('5') or name.endswith(b'/') or name in (b'', b'.'):
            # The root's own name is '.', and an old tar's folders end so.
            if name == b'' and kind != ord('5'):
                self._leave_out('without a name', name)
            return
        if name[0] == 47 or b'\0' in name or b'..' in name.split(b'/'):
            self._leave_out('with a name that leads elsewhere', name)
        elif kind == 'sparse':
            self._leave_out('that are sparse', name)
        elif kind not in _PLAIN:  # type: ignore[operator]
            self._leave_out('that are links or no files', name)
        elif name[0] != 46 and b'/.' not in name:
            self.names.append(name)
            self.offsets.append(place)
            self.sizes.append(size)

    def _leave_out(self, what: str, name: bytes) -> None:
        count, first = self.left_out.get(what, (0, os.fsdecode(name)))
        self.left_out[what] = count + 1, first

    def _extend(self, kind: int, size: int, place: int) -> int | None:
        """Read what a header says of the member behind it, or of all."""
        if not 0 <= size <= MOST_EXTENDED:
            raise ValueError(f'a header of {size} bytes')
        data = self._read(size, place)
        if len(data) < size:
            return None
        if kind == ord('L'):
            self._own[b'path'] = data.partition(b'\0')[0]
        elif kind != ord('K'):
            held = self._all if kind == ord('g') else self._own
            held.update(records(data))
        return place + (size + BLOCK - 1) // BLOCK * BLOCK

    def _past_sparse_map(self, header: bytes, place: int) -> int:
        """Where the content begins behind blocks that tell of the holes."""
        more = header[482]
        while more:
            block = self._read(BLOCK, place)
            more = block[504] if len(block) == BLOCK else 0
            place += BLOCK
        return place

    def _look_behind(self, place: int) -> None:
        """Tell of tars that were joined to this one behind its end."""
        if self._read(_BEHIND, place).strip(b'\0'):
            self._leave_out('behind the end mark', b'joined tars')


def _check_all(headers: list[bytes], ends: list[int]) -> np.ndarray:
    """Check headers that end at places; they, ``(n, 512)`` uint8.

    Raises:
        DamageError: If a checksum differs.
    """
    table = np.frombuffer(b''.join(headers), np.uint8).reshape(-1, BLOCK)
    digits = table[:, 148:154].astype(np.int64) - ord('0')
    told = digits @ (8 ** np.arange(5, -1, -1))
    sums = table.sum(1, np.int64) - table[:, 148:156].sum(1, np.int64)
    good = (sums + 8 * 32 == told) & ((digits >= 0) & (digits < 8)).all(1)
    for row in np.flatnonzero(~good):
        try:
            check_sum(headers[row])
        except ValueError as error:
            raise _damage(ends[row] - BLOCK, error) from None
    return table


def _damage(place: int, error: ValueError) -> DamageError:
    return DamageError(f'damaged at byte {place} ({error}); {FIX}')
