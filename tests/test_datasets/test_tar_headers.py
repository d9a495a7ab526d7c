"""What is in a tar, good, damaged or hostile."""

import os
import tarfile

import numpy as np
import pytest
from hostile_tars import END, GOOD, LEFT_OUT, REFUSED, member, shard

from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.tars.fields import number
from ccmim_mm.datasets.tars.index import index_tar


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    lines = []
    monkeypatch.setattr(
        'ccmim_mm.datasets.listing.print_log',
        lambda text, *_: lines.append(text),
    )
    return lines


def members(path):
    """Names and contents by the index."""
    index = index_tar(path)
    data, raw, start = path.read_bytes(), index.names.tobytes(), 0
    found = []
    for end, offset, size in zip(*index[1:4], strict=True):
        found.append((raw[start:end], data[offset : offset + size]))
        start = end
    return found


def by_tarfile(path):
    """The same by the standard library."""
    with tarfile.open(path, errors='surrogateescape') as tar:
        return [
            (entry.name.encode(errors='surrogateescape'),
             tar.extractfile(entry).read())
            for entry in tar if entry.isreg()
        ]  # fmt: skip


@pytest.mark.parametrize(
    'layout', [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
@pytest.mark.parametrize('batch', [2, 4096])
def test_an_index_is_what_tarfile_reads(layout, batch, tmp_path, monkeypatch):
    monkeypatch.setattr('ccmim_mm.datasets.tars.headers._BATCH', batch)
    rng = np.random.default_rng(layout)
    names = [f'class {i % 3}/{i}.png' for i in range(9)]
    names[3] = 'n' * 99 + '/' + 'f' * 90 + '.png'
    if layout != tarfile.USTAR_FORMAT:
        names[5] = 'ü' * 120 + '/' + '\udce9' + 'long' * 60 + '.png'
        names[6] = 'two\nlines.png'
    sizes = rng.integers(0, 1500, len(names))
    sizes[:2] = 512, 0
    pictures = {
        n: rng.bytes(s) for n, s in zip(names, sizes.tolist(), strict=True)
    }
    options = dict(format=layout, errors='surrogateescape')
    path = shard(tmp_path / 'a.tar', pictures, **options)
    found = members(path)
    assert found == by_tarfile(path) and len(found) == 9
    # A header before each, which tells of times.
    timed = tmp_path / 'timed.tar'
    with tarfile.open(timed, 'w', format=tarfile.PAX_FORMAT) as tar:
        for i in range(5):
            entry = tarfile.TarInfo(f'{i}.png')
            entry.mtime = 1.5 + i
            tar.addfile(entry)
    assert members(timed) == by_tarfile(timed)
    assert len(members(timed)) == 5 and timed.stat().st_size > 5 * 1536
    # A header that holds for all that follow.
    with tarfile.open(
        path, 'w', format=tarfile.PAX_FORMAT, pax_headers=dict(comment='!')
    ) as tar:
        tar.addfile(tarfile.TarInfo('b.png'))
    assert members(path) == by_tarfile(path) == [(b'b.png', b'')]


def test_numbers_are_octal_or_of_base_256():
    assert number(b'00000001750\0') == 1000
    assert number(b'\x80' + bytes(6) + b'\x02' + bytes(4)) == 2 << 32
    assert number(b'\xff' * 12) == -1
    assert number(bytes(12)) == 0
    for text in (b'12a', b'1_0', b'0o7', b'+1', b'8'):
        with pytest.raises(ValueError):
            number(text.ljust(12, b'\0'))


def test_sizes_of_more_than_octal_digits_are_read(tmp_path):
    entry = tarfile.TarInfo('big.png')
    entry.size = 9 << 30
    path = tmp_path / 'a.tar'
    with path.open('wb') as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + entry.size)
        file.seek(0, 2)
        file.write(member('b.png'))
    index = index_tar(path)
    assert index.sizes.tolist() == [9 << 30, 1]
    assert index.offsets.tolist() == [512, (9 << 30) + 1024]


@pytest.mark.parametrize('kind', REFUSED)
def test_a_damaged_shard_is_refused_by_its_name(kind, tmp_path):
    content, text = REFUSED[kind]
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'bad\nname.tar').write_bytes(content)
    with pytest.raises(ValueError, match=text) as caught:
        list_pictures(tmp_path / 'data')
    line = str(caught.value)
    assert r'bad\nname.tar: ' in line and '\n' not in line


@pytest.mark.parametrize('kind', LEFT_OUT)
def test_a_member_that_cannot_be_is_counted(kind, tmp_path, said):
    content, text = LEFT_OUT[kind]
    (tmp_path / 'data').mkdir()
    end = b'' if 'cut' in text else END
    (tmp_path / 'data' / 'a.tar').write_bytes(GOOD + content + end)
    listing = list_pictures(tmp_path / 'data')
    assert [listing[i] for i in range(len(listing))] == ['a.png']
    (line,) = said
    assert 'left out 1 members' in line and text in line
    assert 'a.tar' in line and '\0' not in line


def test_every_cut_of_a_shard_is_survived(tmp_path):
    """At any byte: what is whole is listed, and nothing else."""
    whole = GOOD + member('b.png', b'y' * 600) + END
    path = tmp_path / 'a.tar'
    for length in range(512, len(whole), 37):
        path.write_bytes(whole[:length])
        count = (length >= 513) + (length >= 1024 + 512 + 600)
        index = index_tar(path)
        assert len(index.ends) == count
        # A cut within padding loses nothing.
        lost = length == 512 or 1024 < length < 1024 + 512 + 600
        assert index.cut_off == lost


def test_every_changed_byte_of_a_header_is_seen(tmp_path):
    path = tmp_path / 'a.tar'
    for place in range(0, 512, 7):
        content = bytearray(GOOD + member('b.png') + END)
        content[1024 + place] ^= 0x41
        path.write_bytes(content)
        if 148 <= place < 156:
            # Blanks and NULs that end the checksum are free.
            continue
        with pytest.raises(ValueError, match='byte 1024'):
            index_tar(path)


@pytest.mark.parametrize('place', [0, 130, 300])
def test_a_changed_header_of_times_is_seen(place, tmp_path):
    entry = tarfile.TarInfo('a.png')
    entry.mtime = 1.5
    content = bytearray(GOOD + entry.tobuf(tarfile.PAX_FORMAT) + END)
    content[1024 + place] ^= 1
    (tmp_path / 'a.tar').write_bytes(content)
    with pytest.raises(ValueError, match='byte 1024'):
        index_tar(tmp_path / 'a.tar')


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.tar')
    with pytest.raises(ValueError, match='no regular file'):
        index_tar(tmp_path / 'a.tar')
