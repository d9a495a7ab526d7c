"""The parts of a transformer in plain torch.

They share no code with the package, mmpretrain, timm or transformers. Weights
are found in a state dict, by the layer's name.
"""

import math

import torch


def linear(x, state, name):
    y = x @ state[f'{name}.weight'].T
    return y + state[f'{name}.bias'] if f'{name}.bias' in state else y


def norm(x, state, name, eps=1e-6):
    """Layer norm."""
    centred = x - x.mean(-1, keepdim=True)
    x = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return x * state[f'{name}.weight'] + state[f'{name}.bias']


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(query, key, value, heads):
    """What each token of ``(B, n, C)`` is made of, and the maps."""
    query, key, value = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2)
        for part in (query, key, value)
    )
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.softmax(-1)
    return (weights @ value).transpose(1, 2).flatten(2), weights
