"""Files that must not be believed, by name: functions that write one."""

import io
import os
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import torch


class Call:
    """Unpickles to a call."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def payload(trace: Path) -> str:
    return f'open({str(trace)!r}, "w").close()'


def saved(content, path):
    torch.save(content, path)


def with_call(key, function, *args):
    """A good checkpoint with a call somewhere in it."""

    def write(good: dict, path: Path, trace: Path) -> None:
        content = dict(good)
        filled = [payload(trace) if a is CODE else a for a in args]
        filled = [f'touch {trace}' if a is SHELL else a for a in filled]
        content[key] = Call(function, *filled)
        saved(content, path)

    return write


CODE, SHELL = object(), object()


def config_that_runs(good: dict, path: Path, trace: Path) -> None:
    """mmengine evaluates meta.config when it resumes."""
    meta = dict(good['meta'], config=f'x = {payload(trace)}\n')
    saved(dict(good, meta=meta), path)


def plain_pickle(good: dict, path: Path, trace: Path) -> None:
    path.write_bytes(pickle.dumps(Call(exec, payload(trace))))


def legacy_pickle(good: dict, path: Path, trace: Path) -> None:
    content = dict(good, extra=Call(exec, payload(trace)))
    torch.save(content, path, _use_new_zipfile_serialization=False)


def truncated(good: dict, path: Path, trace: Path) -> None:
    saved(good, path)
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(good: dict, path: Path, trace: Path) -> None:
    path.touch()


def flipped_byte(good: dict, path: Path, trace: Path) -> None:
    saved(good, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def text(good: dict, path: Path, trace: Path) -> None:
    path.write_text('<html>404</html>')


def not_finite(value):
    def write(good: dict, path: Path, trace: Path) -> None:
        state = dict(good['state_dict'])
        name = 'backbone.cls_token'
        state[name] = torch.full_like(state[name], value)
        saved(dict(good, state_dict=state), path)

    return write


def other_shapes(good: dict, path: Path, trace: Path) -> None:
    state = {k: v.repeat(2) if v.ndim else v
             for k, v in good['state_dict'].items() if v.ndim < 2}  # fmt: skip
    saved(dict(good, state_dict=state), path)


def a_tensor_missing(good: dict, path: Path, trace: Path) -> None:
    state = dict(good['state_dict'])
    del state['backbone.cls_token']
    saved(dict(good, state_dict=state), path)


def expanded(good: dict, path: Path, trace: Path) -> None:
    """Terabytes by a stride of 0."""
    state = dict(good['state_dict'])
    state['backbone.cls_token'] = torch.zeros(1).expand(1 << 40)
    saved(dict(good, state_dict=state), path)


def compressed(good: dict, path: Path, trace: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({}, 2))
        archive.writestr('archive/data/0', bytes(1 << 28))


def declared(good: dict, path: Path, trace: Path) -> None:
    """An entry that says that it is far larger than it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({}, 2))
    content = bytearray(buffer.getvalue())
    entry = content.find(b'PK\x01\x02')
    content[entry + 20 : entry + 28] = struct.pack('<II', 1 << 31, 1 << 31)
    path.write_bytes(content)


def no_parameters(good: dict, path: Path, trace: Path) -> None:
    saved({'epoch': 3}, path)


#: What asks for code to be run.
EXECUTING = {
    'os.system': with_call('extra', os.system, SHELL),
    'posix.popen': with_call('extra', os.popen, SHELL),
    'exec': with_call('extra', exec, CODE),
    'eval': with_call('extra', eval, CODE),
    'in the state dict': with_call('state_dict', exec, CODE),
    'in the optimizer': with_call('optimizer', exec, CODE),
    'in the message hub': with_call('message_hub', exec, CODE),
    'as meta': with_call('meta', exec, CODE),
    'getattr': with_call('extra', getattr, 'x', 'upper'),
    'import': with_call('extra', __import__, 'antigravity'),
    'subprocess': with_call('extra', __import__('subprocess').call, ['true']),
    'namespace': with_call('extra', Namespace),
    'plain pickle': plain_pickle,
    'legacy pickle': legacy_pickle,
}
#: Of these, what --pretrained reads with harmless stand-ins in their place:
#: checkpoints of the MAE family and of mmengine ask for them.
STOOD_IN = {'getattr', 'namespace'}
#: What is broken or declares more than it holds.
BROKEN = {
    'truncated': truncated,
    'empty': empty,
    'flipped byte': flipped_byte,
    'text': text,
    'nan': not_finite(float('nan')),
    'inf': not_finite(float('inf')),
    'other shapes': other_shapes,
    'a tensor missing': a_tensor_missing,
    'expanded': expanded,
    'compressed': compressed,
    'declared': declared,
    'no parameters': no_parameters,
}


def good_checkpoint(state: dict) -> dict:
    """What a run might have saved."""
    return dict(
        meta=dict(epoch=1, iter=3),
        state_dict=OrderedDict(state),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
    )
