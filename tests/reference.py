"""ccMIM's step in plain torch, written from the method's description alone.

It shares no code with the package or with mmpretrain: it reads a state dict
with the release's parameter names and computes everything explicitly, full
attention maps included.
"""

import math

import torch
from plain import attend, gelu, linear, norm


def random_state(
    width=32,
    depth=3,
    inner=16,
    inner_depth=2,
    p=8,
    patches=16,
    out=8,
    channels=3,
):
    """A random checkpoint of the release, by name and shape."""
    pixels = channels * p * p
    shapes = {
        'cls_token': (1, 1, width),
        'pos_embed': (1, patches + 1, width),
        'patch_embed.proj.weight': (width, channels, p, p),
        'patch_embed.proj.bias': (width,),
        'mask_token': (1, 1, inner),
        'decoder_pos_embed': (1, patches + 1, inner),
        'decoder_embed.weight': (inner, width),
        'decoder_embed.bias': (inner,),
        'decoder_pred.weight': (pixels, inner),
        'decoder_pred.bias': (pixels,),
        'projector.0.weight': (width, width),
        'projector.3.weight': (out, width),
    }
    norms = {'norm': width, 'decoder_norm': inner, 'projector.1': width}
    for name, count, n, hidden in (
        ('blocks', depth, width, 2 * width),
        ('decoder_blocks', inner_depth, inner, 4 * inner),
    ):
        for i in range(count):
            norms |= {f'{name}.{i}.norm1': n, f'{name}.{i}.norm2': n}
            for part, rows, columns in (
                ('attn.qkv', 3 * n, n),
                ('attn.proj', n, n),
                ('mlp.fc1', hidden, n),
                ('mlp.fc2', n, hidden),
            ):
                shapes[f'{name}.{i}.{part}.weight'] = (rows, columns)
                shapes[f'{name}.{i}.{part}.bias'] = (rows,)
    state = {
        name: torch.randn(shape) / math.sqrt(math.prod(shape[1:]) or 1)
        for name, shape in shapes.items()
    }
    for name, n in norms.items():
        state[f'{name}.weight'] = 1 + torch.randn(n) / 10
        state[f'{name}.bias'] = torch.randn(n) / 10
    for name, n in (('projector.1', width), ('projector.4', out)):
        state[f'{name}.running_mean'] = torch.randn(n)
        state[f'{name}.running_var'] = torch.rand(n)
        state[f'{name}.num_batches_tracked'] = torch.tensor(7)
    return state


def block(x, state, name, heads):
    """One transformer block; returns its output and the attention map."""
    qkv = linear(norm(x, state, f'{name}.norm1'), state, f'{name}.attn.qkv')
    mixed, attention = attend(*qkv.chunk(3, -1), heads)
    x = x + linear(mixed, state, f'{name}.attn.proj')
    hidden = linear(norm(x, state, f'{name}.norm2'), state, f'{name}.mlp.fc1')
    return x + linear(gelu(hidden), state, f'{name}.mlp.fc2'), attention


def patchify(images, p):
    """(B, C, H, W) to (B, L, p * p * C): rows, columns, channels."""
    batch, _, height, width = images.shape
    rows = []
    for i in range(0, height, p):
        for j in range(0, width, p):
            patch = images[:, :, i : i + p, j : j + p]
            rows.append(patch.permute(0, 2, 3, 1).reshape(batch, -1))
    return torch.stack(rows, dim=1)


def embed(state, images, p):
    kernel = state['patch_embed.proj.weight']
    flat = kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
    tokens = patchify(images, p) @ flat.T
    tokens = tokens + state['patch_embed.proj.bias']
    return tokens + state['pos_embed'][:, 1:]


def encode(state, tokens, depth, heads):
    """Encoder over tokens (B, n, C): output (B, n + 1, C), CLS rows summed."""
    cls = state['cls_token'] + state['pos_embed'][:, :1]
    x = torch.cat([cls.repeat(len(tokens), 1, 1), tokens], dim=1)
    scores = 0
    for i in range(depth):
        x, attention = block(x, state, f'blocks.{i}', heads)
        scores = scores + attention[:, :, 0, 1:].mean(dim=1)
    return norm(x, state, 'norm'), scores


def release_order(scores, noise):
    """The release's rule as it stands: softmax(a) / softmax(u)."""
    return torch.argsort(
        torch.softmax(scores, dim=1) / torch.softmax(noise, dim=1), dim=1
    )


def decode(state, visible, order, depth, heads):
    x = linear(visible, state, 'decoder_embed')
    batch, length = order.shape
    full = state['mask_token'].repeat(batch, length, 1)
    for b in range(batch):
        full = full.clone()
        full[b, order[b, : x.shape[1] - 1]] = x[b, 1:]
    x = torch.cat([x[:, :1], full], dim=1) + state['decoder_pos_embed']
    for i in range(depth):
        x, _ = block(x, state, f'decoder_blocks.{i}', heads)
    x = norm(x, state, 'decoder_norm')
    return linear(x, state, 'decoder_pred')[:, 1:]


def reconstruction(state, images, pred, order, num_visible, p):
    target = patchify(images, p)
    mean = target.mean(-1, keepdim=True)
    var = target.var(-1, keepdim=True, unbiased=True)
    error = ((pred - (target - mean) / (var + 1e-6).sqrt()) ** 2).mean(-1)
    masked = order[:, num_visible:]
    return error.gather(1, masked).mean()


def batch_norm(x, weight=1, bias=0):
    var = x.var(0, unbiased=False)
    return (x - x.mean(0)) / (var + 1e-5).sqrt() * weight + bias


def project(state, cls):
    name = 'projector'
    x = linear(cls, state, f'{name}.0')
    x = batch_norm(x, state[f'{name}.1.weight'], state[f'{name}.1.bias'])
    x = batch_norm(linear(torch.relu(x), state, f'{name}.3'))
    return x / x.norm(dim=1, keepdim=True)


def align(queries, keys, offset=0, temperature=0.5):
    """2T * cross entropy of each query against its key among all."""
    logits = queries @ keys.T / temperature
    own = torch.arange(len(queries)) + offset
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -2 * temperature * log_p[torch.arange(len(queries)), own].mean()


def step(
    state,
    images,
    noise,
    ratio=0.75,
    p=8,
    depth=3,
    heads=4,
    ranks=1,
    masked_grad=False,
):
    """Both losses and the order of one step.

    With several ranks the pictures are split evenly; each rank normalises
    its own part and the mean over ranks is what gradients descend.
    """
    tokens = embed(state, images, p)
    with torch.no_grad():
        _, scores = encode(state, tokens, depth, heads)
        order = release_order(scores, noise)
    num_visible = int(order.shape[1] * (1 - ratio))

    def take(ids):
        return torch.stack([t[i] for t, i in zip(tokens, ids, strict=True)])

    visible, _ = encode(state, take(order[:, :num_visible]), depth, heads)
    with torch.set_grad_enabled(masked_grad):
        masked, _ = encode(state, take(order[:, num_visible:]), depth, heads)
    pred = decode(state, visible, order, depth=2, heads=2)
    rec = reconstruction(state, images, pred, order, num_visible, p)
    size = len(images) // ranks
    with torch.set_grad_enabled(masked_grad):
        keys = [project(state, part) for part in masked[:, 0].split(size)]
    parts = []
    for r, part in enumerate(visible[:, 0].split(size)):
        # Keys that came from other ranks carry no graph.
        gathered = [k if i == r else k.detach() for i, k in enumerate(keys)]
        parts.append(
            align(project(state, part), torch.cat(gathered), offset=r * size)
        )
    return dict(
        loss_rec=rec,
        loss_align=0.1 * torch.stack(parts).mean(),
        order=order,
        scores=scores,
    )
