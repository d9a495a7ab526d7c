"""Files whose tensors, names or archives are of no use to anybody."""

import json
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from hostile import Call, payload, saved


def weight(change):
    """One weight of the encoder, changed."""

    def write(good: dict, path: Path, trace: Path) -> None:
        state = OrderedDict(good['state_dict'])
        name = 'backbone.layers.0.attn.qkv.weight'
        state[name] = change(state[name])
        saved(dict(good, state_dict=state), path)

    return write


def table(*shape):
    """A position table of some shape."""

    def write(good: dict, path: Path, trace: Path) -> None:
        state = dict(good['state_dict'])
        state['backbone.pos_embed'] = torch.zeros(shape)
        saved(dict(good, state_dict=state), path)

    return write


def beside(make):
    """Something beside the weights, which nobody needs."""

    def write(good: dict, path: Path, trace: Path) -> None:
        saved(dict(good, extra=make()), path)

    return write


def strange_names(good: dict, path: Path, trace: Path) -> None:
    state = dict(good['state_dict'])
    state[3] = state[('a', 1)] = torch.zeros(1)
    saved(dict(good, state_dict=state), path)


def name_of_many_lines(good: dict, path: Path, trace: Path) -> None:
    state = dict(good['state_dict'])
    state['backbone.a\nerror: all is well'] = torch.zeros(1)
    saved(dict(good, state_dict=state), path)


def holding_itself():
    found: list = [1]
    found.append(dict(again=found))
    return found


def shared(levels=34):
    """2^34 references in a few lists."""
    found: list = [0, 0]
    for _ in range(levels):
        found = [found, found]
    return found


class Methods(OrderedDict):
    """Pickles as an ordered dict whose methods are numbers."""

    def __reduce__(self):
        return OrderedDict, (), dict(items=1, keys=2), None, None


def with_methods(good: dict, path: Path, trace: Path) -> None:
    saved(dict(good, state_dict=Methods()), path)


def with_versions(good: dict, path: Path, trace: Path) -> None:
    state = OrderedDict(good['state_dict'])
    state._metadata = {'': {'version': 'new'}, 'backbone': 7}
    saved(dict(good, state_dict=state), path)


def other_heads(good: dict, path: Path, trace: Path) -> None:
    meta = dict(good['meta'], heads={'backbone.layers.0.attn': 2})
    saved(dict(good, meta=meta), path)


def with_pickle(instructions: bytes):
    """A good archive whose pickle is replaced."""

    def write(good: dict, path: Path, trace: Path) -> None:
        saved(good, path)
        rewrite(path, {'data.pkl': instructions})

    return write


def rewrite(path: Path, changed: dict, added: dict = {}) -> None:
    """Change an archive's members, by the ends of their names."""
    with zipfile.ZipFile(path) as archive:
        members = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, changed.get(Path(name).name, content))
        for name, content in added.items():
            archive.writestr(name, content)


def leaving(name: str):
    """A member whose name leads out of the archive."""

    def write(good: dict, path: Path, trace: Path) -> None:
        saved(good, path)
        rewrite(path, {}, {name: b'planted'})

    return write


def two_in_one(good: dict, path: Path, trace: Path) -> None:
    """An archive with another in front, which some readers see instead."""
    saved(dict(good, extra=Call(exec, payload(trace))), path)
    first = path.read_bytes()
    saved(good, path)
    path.write_bytes(first + path.read_bytes())


def encrypted(good: dict, path: Path, trace: Path) -> None:
    """Members that say that they need a password."""
    saved(good, path)
    content = bytearray(path.read_bytes())
    entry = -1
    while (entry := content.find(b'PK\x01\x02', entry + 1)) >= 0:
        content[entry + 8] |= 1
    path.write_bytes(content)


def storage_cut(good: dict, path: Path, trace: Path) -> None:
    """A tensor that says that it has more numbers than are there."""
    saved(good, path)
    rewrite(path, {'0': bytes(8)}, {f'{path.stem}/pad': bytes(1 << 20)})


def tensors(header: dict, size: int = 64, length: int | None = None):
    """A file of safetensors with a header that may lie."""

    def write(good: dict, path: Path, trace: Path) -> None:
        text = json.dumps(header).encode()
        count = struct.pack('<Q', len(text) if length is None else length)
        path.write_bytes(count + text + bytes(size))

    return write


def tensor(dtype: str, shape: list, begin: int, end: int) -> dict:
    entry = dict(dtype=dtype, shape=shape, data_offsets=[begin, end])
    return {'backbone.cls_token': entry}


_TUPLES = b'\x80\x02}' + b')' + b'\x85' * 200_000 + b'K\x01s.'
_BYTES = (
    b'\x80\x02}X\x01\x00\x00\x00ac__builtin__\nbytearray\n'
    b'\x8a\x05\x00\x00\x00\x00\x08\x85Rs.'
)
_NUMBER = b'\x80\x02}\x8a\x20' + b'\x7f' * 32 + b'K\x01s.'
#: What is of no use to anybody, nested without end, or not of plain tensors.
#: Refused whatever reads them, as BROKEN is.
STRANGE = {
    'int8': weight(lambda w: (w * 100).to(torch.int8)),
    'bool': weight(lambda w: w > 0),
    'complex': weight(lambda w: w.to(torch.complex64)),
    'float8': weight(lambda w: w.to(torch.float8_e4m3fn)),
    'quantized': weight(
        lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)
    ),
    'sparse': weight(lambda w: w.to_sparse()),
    'nested': weight(lambda w: torch.nested.nested_tensor([w, w])),
    'meta tensor': weight(lambda w: w.to('meta')),
    'not a tensor': weight(lambda w: w.tolist()),
    'strange names': strange_names,
    'name of many lines': name_of_many_lines,
    'holding itself': beside(holding_itself),
    'shared without end': beside(shared),
    'deep': with_pickle(b'\x80\x02' + b']' * 99_000 + b'a' * 98_999 + b'.'),
    'deep tuples as a key': with_pickle(_TUPLES),
    'millions of entries': with_pickle(
        b'\x80\x02](' + b'K\x01' * 3_000_000 + b'e.'
    ),
    'gigabytes of bytes': with_pickle(_BYTES),
    'number of 256 bits': with_pickle(_NUMBER),
    'half a pickle': with_pickle(b'\x80\x02}('),
    'a dict with methods': with_methods,
    'versions of text': with_versions,
    'other heads': other_heads,
    'table of another width': table(1, 17, 24),
    'table of two dimensions': table(17, 32),
    'table of four dimensions': table(1, 4, 4, 32),
    'table 66 long': table(1, 66, 32),
    'member above': leaving('../../planted.txt'),
    'member at the root': leaving('/tmp/planted.txt'),
    'two archives in one': two_in_one,
    'encrypted': encrypted,
    'fewer numbers than said': storage_cut,
}
#: Files of safetensors.
SAFETENSORS = {
    'beyond the end': tensors(tensor('F32', [1, 1, 32], 0, 1 << 40)),
    'shape without numbers': tensors(tensor('F32', [1 << 40], 0, 64)),
    'negative': tensors(tensor('F32', [1, 1, 32], 128, 0), 128),
    'header without end': tensors({}, 64, (1 << 63) - 1),
    'header cut': tensors(tensor('F32', [4], 0, 16), 0),
    '8-bit floats': tensors(tensor('F8_E4M3', [1, 1, 32], 0, 32), 32),
    'no tensors': tensors({}, 0),
    'a list': tensors([1, 2], 0),
    'heads of text': tensors(
        {'__metadata__': {'heads': '"many"'}}
        | tensor('F32', [1, 1, 32], 0, 128),
        128,
    ),
}
