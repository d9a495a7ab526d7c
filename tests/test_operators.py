"""torchvision's kernels give what mmcv's compiled operators give."""

import re
import subprocess
import sys
from importlib import import_module

import mmcv.ops
import pytest
import torch
from run_helpers import use_operators as use

from ccmim_mm._operators import (
    NAME,
    StandIn,
    check_operators,
    how_to_compile,
    provide_operators,
)

FOUND = import_module(NAME)
COMPILE = re.escape(how_to_compile())
BOXES = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],
        [0.0, 0.0, 10.0, 6.0],  # 0.6 of the first
        [1.0, 1.0, 10.5, 10.5],
        [20.0, 20.0, 30.0, 30.0],
        [20.0, 20.0, 30.0, 30.0],  # equal boxes, equal scores
        [30.0, 20.0, 40.0, 30.0],
        [5.0, 5.0, 5.0, 5.0],  # nothing
        [0.0, 0.0, 10.0, 3.0],  # 0.3 of the first
    ]
)
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.5, 0.5, 0.5, 0.4, 0.95])


def plain_nms(boxes, scores, threshold, offset):
    """Box by box, in fp32 as mmcv."""
    kept = []
    threshold = torch.tensor(threshold)
    area = (boxes[:, 2:] - boxes[:, :2] + offset).prod(1)
    for i in scores.sort(descending=True, stable=True).indices.tolist():
        for j in kept:
            low = torch.maximum(boxes[i, :2], boxes[j, :2])
            high = torch.minimum(boxes[i, 2:], boxes[j, 2:])
            common = (high - low + offset).clamp(min=0).prod()
            if common / (area[i] + area[j] - common) > threshold:
                break
        else:
            kept.append(i)
    return kept


def plain_roi_align(maps, rois, size, scale, ratio, aligned):
    """The mean of bilinear samples, each read by grid_sample."""
    out = []
    for picture, *box in rois.tolist():
        x1, y1, x2, y2 = (v * scale - 0.5 * aligned for v in box)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1), max(h, 1)
        ys = y1 + (torch.arange(size * ratio) + 0.5) * h / size / ratio
        xs = x1 + (torch.arange(size * ratio) + 0.5) * w / size / ratio
        yy, xx = torch.meshgrid(ys, xs, indexing='ij')
        height, width = maps.shape[2:]
        grid = torch.stack(
            [xx * 2 / (width - 1) - 1, yy * 2 / (height - 1) - 1], -1
        )
        found = torch.nn.functional.grid_sample(
            maps[int(picture)][None],
            grid[None],
            padding_mode='border',
            align_corners=True,
        )
        out.append(torch.nn.functional.avg_pool2d(found, ratio)[0])
    return torch.stack(out)


@pytest.fixture(params=['stand-in', 'compiled'])
def operators(request, monkeypatch):
    """Both, under mmcv's own functions."""
    if request.param == 'compiled' and isinstance(FOUND, StandIn):
        pytest.skip('mmcv has no compiled operators: make operators')
    use(StandIn() if request.param == 'stand-in' else FOUND, monkeypatch)


@pytest.mark.usefixtures('operators')
@pytest.mark.parametrize('offset', [0, 1])
# On 0.3 and 0.6 themselves, of which fp32 knows neither.
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5, 0.6, 1.0])
def test_nms(offset, threshold):
    expected = plain_nms(BOXES, SCORES, threshold, offset)
    dets, kept = mmcv.ops.nms(BOXES, SCORES, threshold, offset)
    assert kept.tolist() == expected
    assert torch.equal(dets, torch.cat([BOXES, SCORES[:, None]], 1)[kept])
    _, kept = mmcv.ops.nms(BOXES, SCORES, threshold, offset, 0.45, 2)
    assert kept.tolist() == expected[:2]
    dets, kept = mmcv.ops.nms(BOXES[:0], SCORES[:0], threshold, offset)
    assert (dets.shape, kept.shape, kept.dtype) == ((0, 5), (0,), torch.long)


@pytest.mark.usefixtures('operators')
def test_batched_nms():
    torch.manual_seed(0)
    corner = torch.rand(300, 2) * 40
    boxes = torch.cat([corner, corner + 1 + torch.rand(300, 2) * 20], 1)
    scores = (torch.rand(300) * 50).round() / 50
    kinds = torch.randint(3, (300,))
    for limit in (10000, 100):  # in one go, and kind by kind
        options = dict(type='nms', iou_threshold=0.5, split_thr=limit)
        dets, kept = mmcv.ops.batched_nms(boxes, scores, kinds, options)
        expected = set()
        for kind in range(3):
            (at,) = (kinds == kind).nonzero(as_tuple=True)
            expected |= set(
                at[plain_nms(boxes[at], scores[at], 0.5, 0)].tolist()
            )
        assert len(kept) == len(expected)
        assert set(kept.tolist()) == expected
        assert torch.equal(dets[:, 4], scores[kept])
        assert (dets[:, 4].diff() <= 0).all()


@pytest.mark.usefixtures('operators')
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align(aligned, ratio):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 9, 11, requires_grad=True)
    # 6 x 6 map pixels in 3 x 3 bins: ratio 0 takes 2 points a bin as well.
    rois = torch.tensor([[0, 8.0, 8, 32, 32], [1, 4, 0, 28, 24]])
    args = rois, 3, 0.25, ratio
    out = mmcv.ops.roi_align(maps, *args, 'avg', aligned)
    expected = plain_roi_align(maps, rois, 3, 0.25, 2, aligned)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(out)
    grads = [
        torch.autograd.grad((x * weight).sum(), maps)[0]
        for x in (out, expected)
    ]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)
    out = mmcv.ops.roi_align(maps, rois[:0], 3, 0.25, ratio, 'avg', aligned)
    assert out.shape == (0, 3, 3, 3)
    assert torch.autograd.grad(out.sum(), maps)[0].count_nonzero() == 0


@pytest.mark.skipif(isinstance(FOUND, StandIn), reason='make operators')
def test_odd_boxes_as_compiled(monkeypatch):
    """Beyond the map, thin, large: value and gradient as mmcv's."""
    torch.manual_seed(0)
    found = []
    low = torch.randn(50, 2) * 30
    boxes = torch.cat([low, low + torch.rand(50, 2) ** 4 * 90], 1)
    rois = torch.cat([torch.randint(2, (50, 1)), boxes], 1)
    maps = torch.randn(2, 3, 9, 11, requires_grad=True)
    weight = torch.randn(50, 3, 7, 5)
    for module in (StandIn(), FOUND):
        use(module, monkeypatch)
        for ratio in (0, 3):
            for aligned in (True, False):
                out = mmcv.ops.roi_align(
                    maps, rois, (7, 5), 0.25, ratio, 'avg', aligned
                )
                loss = (out * weight).sum()
                found += [out, *torch.autograd.grad(loss, maps)]
    half = len(found) // 2
    torch.testing.assert_close(found[:half], found[half:])


def test_what_torchvision_does_not_have_says_so(monkeypatch):
    use(StandIn(), monkeypatch)
    with pytest.raises(NotImplementedError, match=f'^softnms .*{COMPILE}'):
        mmcv.ops.soft_nms(BOXES, SCORES)
    with pytest.raises(
        NotImplementedError, match=f'pool_mode=max .*{COMPILE}'
    ):
        rois = torch.zeros(1, 5)
        mmcv.ops.roi_align(torch.zeros(1, 1, 4, 4), rois, 2, 1.0, 0, 'max')
    with pytest.raises(AttributeError):
        _ = StandIn().__file__


def test_compiled_operators_are_used_if_they_load(monkeypatch):
    provide_operators()
    assert sys.modules[NAME] is FOUND
    # None in sys.modules makes the import fail, as if not compiled.
    monkeypatch.setitem(sys.modules, NAME, None)
    provide_operators()
    assert isinstance(sys.modules[NAME], StandIn)


def test_operators_for_another_torch(monkeypatch):
    found = StandIn('_ext.so: undefined symbol: _ZN3c10')
    found.late = False
    monkeypatch.setitem(sys.modules, NAME, found)
    with pytest.warns(UserWarning, match=f'another torch .*{COMPILE}'):
        check_operators()


def test_mmdet_that_found_none_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmdet.structures', sys)
    monkeypatch.setitem(sys.modules, NAME, StandIn())
    with pytest.raises(ImportError, match='import ccmim_mm first'):
        check_operators()


@pytest.mark.slow
@pytest.mark.skipif(isinstance(FOUND, StandIn), reason='so it is, here')
def test_mmdet_is_imported_with_them():
    code = (
        f'import sys; sys.modules["{NAME}"] = None;'
        'import ccmim_mm; from ccmim_mm._stack import check_scope;'
        'check_scope("mmdet"); import mmcv.ops, mmdet.models;'
        'from mmdet.structures.mask import structures;'
        'assert structures.roi_align is mmcv.ops.roi_align'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
