"""ViTDet's backbone in plain torch: full attention, with its maps.

Independent of mmcv, mmpretrain and this project.
"""

import functools
import math

import torch
from plain import gelu, linear, norm


def resize_line(values, size):
    """``(L, C)`` to ``(size, C)``, linearly, pixels' centres aligned."""
    count = len(values)
    rows = []
    for i in range(size):
        place = min(max((i + 0.5) * count / size - 0.5, 0), count - 1)
        low = int(place)
        high, share = min(low + 1, count - 1), place - low
        rows.append((1 - share) * values[low] + share * values[high])
    return torch.stack(rows)


def cubic(distance, a=-0.75):
    """Keys' kernel, with the constant of torch and OpenCV."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def cubic_matrix(count, size):
    """``(size, count)``: how a line is resized, its ends repeated."""
    matrix = torch.zeros(size, count)
    for i in range(size):
        place = (i + 0.5) * count / size - 0.5
        for j in range(math.floor(place) - 1, math.floor(place) + 3):
            matrix[i, min(max(j, 0), count - 1)] += cubic(place - j)
    return matrix


def resize_map(table, height, width):
    """``(H, W, C)`` to another size, bicubically."""
    rows = cubic_matrix(table.shape[0], height)
    columns = cubic_matrix(table.shape[1], width)
    return torch.einsum('ih,jw,hwc->ijc', rows, columns, table)


def full_attention(x, state, name, heads):
    """Every token of ``(B, H, W, C)`` to every other, with a map.

    The logit of a query at (i, j) and a key at (k, l) is their product,
    scaled, and the query's with the rows for i - k and j - l.
    """
    batch, height, width, channels = x.shape
    qkv = linear(x, state, f'{name}.qkv').reshape(
        batch, height, width, 3, heads, channels // heads
    )
    query, key, value = qkv.unbind(3)
    logits = torch.einsum('bijnd,bklnd->bnijkl', query, key)
    logits = logits * (channels // heads) ** -0.5
    if f'{name}.rel_pos_h' in state:
        tables = [
            resize_line(state[f'{name}.rel_pos_{axis}'], 2 * size - 1)
            for axis, size in (('h', height), ('w', width))
        ]
        by_row, by_column = (
            table[torch.arange(size)[:, None] - torch.arange(size) + size - 1]
            for table, size in zip(tables, (height, width), strict=True)
        )
        rows = torch.einsum('bijnd,ikd->bnijk', query, by_row)
        columns = torch.einsum('bijnd,jld->bnijl', query, by_column)
        logits = logits + rows[..., None] + columns[..., None, :]
    weights = logits.flatten(-2).softmax(-1).view_as(logits)
    mixed = torch.einsum('bnijkl,bklnd->bijnd', weights, value)
    return linear(mixed.flatten(-2), state, f'{name}.proj')


def in_windows(attend, x, size):
    """Each window by itself; zeros fill what does not fit, as in ViTDet."""
    batch, height, width, channels = x.shape
    right = x.new_zeros(batch, height, -width % size, channels)
    whole = torch.cat((x, right), dim=2)
    below = x.new_zeros(batch, -height % size, whole.shape[2], channels)
    whole = torch.cat((whole, below), dim=1)
    rows = [
        torch.cat(
            [
                attend(whole[:, top : top + size, left : left + size])
                for left in range(0, whole.shape[2], size)
            ],
            dim=2,
        )
        for top in range(0, whole.shape[1], size)
    ]
    return torch.cat(rows, dim=1)[:, :height, :width]


def vitdet(images, state, num_global, window, patch=8, heads=4, depth=4):
    """The whole backbone."""
    batch, _, height, width = images.shape
    tall, wide = -height % patch, -width % patch
    images = torch.cat((images, images.new_zeros(batch, 3, tall, width)), 2)
    images = torch.cat(
        (images, images.new_zeros(batch, 3, height + tall, wide)), 3
    )
    grid = images.unfold(2, patch, patch).unfold(3, patch, patch)
    grid = grid.permute(0, 2, 3, 1, 4, 5).flatten(3)
    kernel = state['patch_embed.projection.weight'].flatten(1)
    x = grid @ kernel.T + state['patch_embed.projection.bias']
    table = state['pos_embed'][0]
    if table.shape[:2] != x.shape[1:3]:
        table = resize_map(table, *x.shape[1:3])
    x = x + table
    for i in range(depth):
        layer = f'layers.{i}'
        attend = functools.partial(
            full_attention, state=state, name=f'{layer}.attn', heads=heads
        )
        normed = norm(x, state, f'{layer}.ln1')
        everywhere = (i + 1) % (depth // num_global) == 0
        x = x + (
            attend(normed)
            if everywhere
            else in_windows(attend, normed, window)
        )
        normed = norm(x, state, f'{layer}.ln2')
        hidden = gelu(linear(normed, state, f'{layer}.ffn.layers.0.0'))
        x = x + linear(hidden, state, f'{layer}.ffn.layers.1')
    return x.permute(0, 3, 1, 2)
