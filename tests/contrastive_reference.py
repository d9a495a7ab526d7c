"""MoCo v3's, SimCLR's and DenseCL's steps in plain torch.

From the papers' equations; it shares no code with the package or with
mmpretrain. Pictures are split evenly over ``ranks``, each of which normalises
its own.
"""

import math

import numpy as np
import reference
import torch
import torch.nn.functional as F
from plain import linear
from plain_vit import timm_name


def part(state, prefix):
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def vit(state, views, depth=3, heads=4, p=8):
    """CLS tokens, ``(B, C)``."""
    state = {timm_name(name): value for name, value in state.items()}
    tokens = reference.embed(state, views, p)
    return reference.encode(state, tokens, depth, heads)[0][:, 0]


def projector(state, x):
    """fc-bn-relu-...-fc-bn, the last norm without affine parameters."""
    last = max(int(n[2]) for n in state if n.startswith('fc'))
    for i in range(last + 1):
        x = linear(x, state, f'fc{i}')
        weight = state.get(f'bn{i}.weight', 1)
        x = reference.batch_norm(x, weight, state.get(f'bn{i}.bias', 0))
        x = torch.relu(x) if i < last else x
    return x


def embed(state, views, ranks):
    size = len(views) // ranks
    cls = vit(part(state, 'backbone.'), views)
    return [projector(part(state, 'neck.'), c) for c in cls.split(size)]


def unit(x, dim=1):
    return x / (x * x).sum(dim, keepdim=True).sqrt()


def cross_entropy(logits, labels):
    log_p = logits - torch.logsumexp(logits, 1, keepdim=True)
    return -log_p[torch.arange(len(logits)), labels].mean()


def averaged(keys, state, m, names):
    """The key encoder after its update: (1 - m) of itself, m of the other."""
    return {
        name: (1 - m) * keys[name] + m * state[name].detach() for name in names
    }


def mocov3(state, keys, views, step, steps, ranks=1, t=0.2):
    """The loss, and the key encoder that it was contrasted with."""
    m = 0.01 * (math.cos(math.pi * step / steps) + 1) / 2
    keys = averaged(keys, state, m, keys)
    losses = []
    for a, b in ((0, 1), (1, 0)):
        with torch.no_grad():
            k = unit(torch.cat(embed(keys, views[b], ranks)))
        for rank, q in enumerate(embed(state, views[a], ranks)):
            q = unit(projector(part(state, 'head.predictor.'), q))
            own = torch.arange(len(q)) + len(q) * rank
            losses.append(2 * t * cross_entropy(q @ k.T / t, own))
    return 2 * torch.stack(losses).mean(), keys


def simclr(state, views, ranks=1, t=0.1):
    """Every embedding against every other one, pair by pair."""
    size = len(views[0]) // ranks
    z = []
    for rank in range(ranks):
        own = slice(rank * size, (rank + 1) * size)
        both = torch.cat([view[own] for view in views])
        z.append(unit(embed(state, both, 1)[0]).chunk(2))
    first, second = (torch.cat(parts) for parts in zip(*z, strict=True))
    total = 0
    for anchors, others in ((first, second), (second, first)):
        for i, anchor in enumerate(anchors):
            terms = [
                (anchor @ other / t).exp()
                for bank in (anchors, others)
                for j, other in enumerate(bank)
                if bank is others or j != i
            ]
            positive = (anchor @ others[i] / t).exp()
            total = total - torch.log(positive / sum(terms))
    return total / (2 * len(first))


def batch_norm_2d(x, state, name):
    mean = x.mean((0, 2, 3), keepdim=True)
    var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    shape = (1, -1, 1, 1)
    return (x - mean) / (var + 1e-5).sqrt() * state[f'{name}.weight'].view(
        shape
    ) + state[f'{name}.bias'].view(shape)


def resnet18(state, x, strides):
    """The last map, ``(B, C, H, W)``."""
    x = F.conv2d(x, state['conv1.weight'], stride=2, padding=3)
    x = torch.relu(batch_norm_2d(x, state, 'bn1'))
    x = F.max_pool2d(x, 3, 2, 1)
    for i, stride in enumerate(strides, 1):
        for block, s in ((0, stride), (1, 1)):
            name = f'layer{i}.{block}'
            y = F.conv2d(x, state[f'{name}.conv1.weight'], stride=s, padding=1)
            y = torch.relu(batch_norm_2d(y, state, f'{name}.bn1'))
            y = F.conv2d(y, state[f'{name}.conv2.weight'], padding=1)
            y = batch_norm_2d(y, state, f'{name}.bn2')
            if f'{name}.downsample.0.weight' in state:
                x = F.conv2d(x, state[f'{name}.downsample.0.weight'], stride=s)
                x = batch_norm_2d(x, state, f'{name}.downsample.1')
            x = torch.relu(x + y)
    return x


def dense_neck(state, x):
    """Global and dense projections, ``(B, D)`` and ``(B, S, D)``."""
    cells = x.flatten(2).transpose(1, 2)
    hidden = torch.relu(linear(cells.mean(1), state, 'mlp.0'))
    glob = linear(hidden, state, 'mlp.2')
    conv = {n: v.flatten(1) if v.ndim == 4 else v for n, v in state.items()}
    hidden = torch.relu(linear(cells, conv, 'mlp2.0'))
    return glob, linear(hidden, conv, 'mlp2.2'), cells


def densecl(state, keys, views, queues, order, strides, ranks=1, lam=0.5):
    """Both losses, the key encoder, and the keys that go into the queues.

    Args:
        queues: ``(D, K)`` each, of global and of dense keys.
        order: In which the second views meet in the key encoder.
    """

    def encode(weights, pictures):
        maps = resnet18(part(weights, 'backbone.'), pictures, strides)
        return dense_neck(part(weights, 'neck.'), maps)

    keys = averaged(keys, state, 0.001, keys)
    size = len(views[0]) // ranks
    with torch.no_grad():
        shuffled = [encode(keys, x) for x in views[1][order].split(size)]
        back = torch.argsort(order)
        k, k_dense, k_cells = (
            torch.cat(found)[back] for found in zip(*shuffled, strict=True)
        )
    queries = [encode(state, x) for x in views[0].split(size)]
    single, dense = [], []
    for rank, (q, q_dense, q_cells) in enumerate(queries):
        for i in range(size):
            at = rank * size + i
            a = unit(q[i], 0)
            negatives = a @ queues[0]
            logits = torch.cat([(a @ unit(k[at], 0))[None], negatives])[None]
            single.append(cross_entropy(logits / 0.2, torch.tensor([0])))
            similar = (
                unit(q_cells[i]).detach().numpy() @ unit(k_cells[at]).numpy().T
            )
            for cell, row in enumerate(similar):
                b = unit(q_dense[i, cell], 0)
                key = unit(k_dense[at, int(np.argmax(row))], 0)
                logits = torch.cat([(b @ key)[None], b @ queues[1]])[None]
                dense.append(cross_entropy(logits / 0.2, torch.tensor([0])))
    return dict(
        loss_single=(1 - lam) * torch.stack(single).mean(),
        loss_dense=lam * torch.stack(dense).mean(),
        keys=keys,
        queued=unit(k),
        queued2=unit(k_dense.mean(1)),
    )
