"""The page of `ccmim look` holds what the encoder says, and nothing runs."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import plain_vit
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from PIL import Image
from run_helpers import config

from ccmim_mm.apis import load_encoder
from ccmim_mm.apis.look import _chosen, look
from ccmim_mm.apis.open_encoder import open_encoder
from ccmim_mm.look.attention import attention_by_layer
from ccmim_mm.look.view import view_of
from ccmim_mm.models.plain_vit import CLIP
from ccmim_tools import look as tool

CONFIG = ROOT / 'tests/tiny_config.py'
HOSTILE = '</script><img src=x onerror=alert(1)>&.png'


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.blocks, self.inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag, dict(attrs)

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside and self.inside[0] in ('script', 'style'):
            self.blocks.append((*self.inside, data))

    @property
    def content(self):
        """The page's data."""
        (found,) = [
            data
            for tag, attrs, data in self.blocks
            if attrs.get('type') == 'application/json'
        ]
        return json.loads(found)


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for label in ('cats', 'dogs'):
        (root / label).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f'{i}.png')
    (root / 'cats/5.png').rename(root / 'cats' / HOSTILE.replace('/', '|'))
    return root


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    encoder = load_encoder(CONFIG, device='cpu')
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=encoder.model.state_dict()), path)
    return path


@pytest.fixture(scope='module')
def page(folder, checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp('out') / 'look.html'
    look([checkpoint], folder, out, [CONFIG], 4, 12, device='cpu')
    return Page(out.read_text())


def test_nothing_but_the_page_itself_runs(page):
    (policy,) = [
        attrs['content']
        for tag, attrs in page.tags
        if attrs.get('http-equiv') == 'Content-Security-Policy'
    ]
    assert policy.startswith("default-src 'none'; img-src data:")
    assert 'unsafe' not in policy
    allowed = dict(re.findall(r"(\w+)-src '(sha256-[^']+)'", policy))
    runs = [
        (tag, data)
        for tag, attrs, data in page.blocks
        if attrs.get('type') != 'application/json'
    ]
    assert [tag for tag, _ in runs] == ['style', 'script']
    for tag, data in runs:
        digest = hashlib.sha256(data.encode()).digest()
        assert allowed[tag] == f'sha256-{base64.b64encode(digest).decode()}'
    for tag, attrs in page.tags:
        assert not {'src', 'href'} & attrs.keys(), (tag, attrs)
        assert not [name for name in attrs if name.startswith('on')]


def test_names_of_files_are_data(page):
    names = [other['name'] for other in page.content['others']]
    assert len(names) == 12
    assert f'cats/{HOSTILE}' in [name.replace('|', '/') for name in names]
    assert 'img' not in [tag for tag, _ in page.tags]
    assert [tag for tag, _ in page.tags].count('script') == 2
    assert {other['label'] for other in page.content['others']} == {
        *('cats', 'dogs')
    }


def test_the_page_has_what_the_encoder_says(page, folder, checkpoint):
    content = page.content
    (view,) = content['views']
    encoder = load_encoder(CONFIG, str(checkpoint), device='cpu')
    paths = [folder / name for name in content['names']]
    inputs = encoder.load(paths)
    maps = attention_by_layer(encoder.model, inputs)
    shape = 4, view['layers'], view['heads'], 16
    assert tuple(maps.shape) == shape
    found = unpacked(view['attention'], np.uint8).reshape(shape) / 255
    found = found * np.reshape(view['peaks'], (*shape[:3], 1))
    assert np.abs(found - maps.numpy()).max() < 0.01 * maps.max()
    scores = encoder.attention(paths).numpy()
    assert np.allclose(view['scores'], scores, rtol=1e-4, atol=1e-5)
    # The layers' means are what the scores are made of.
    depth = encoder.model.backbone.score_layers
    assert torch.allclose(
        maps[:, :depth].mean(2).sum(1), torch.tensor(scores), atol=1e-5
    )
    told = encoder.explain(paths, seed=1)
    mask = unpacked(view['predictions'][1]['mask'], np.uint8).reshape(4, 16)
    assert (mask == told.mask.numpy()).all()


def test_attention_of_another_kind_is_not_shown():
    """BEiT's layers are a ViT's by their names, and attend otherwise."""
    arch = dict(
        embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32
    )
    classifier = dict(type='ImageClassifier')
    for kind, shown in (('VisionTransformer', True), ('BEiTViT', False)):
        vit = dict(type=kind, arch=arch, img_size=32, patch_size=8)
        model = MODELS.build(dict(classifier, backbone=vit)).eval()
        maps = attention_by_layer(model, torch.zeros(1, 3, 32, 32))
        assert (maps is not None) == shown


def test_likeness_of_patches_and_pictures_is_kept(page, folder, checkpoint):
    (view,) = page.content['views']
    encoder = load_encoder(CONFIG, str(checkpoint), device='cpu')
    names = page.content['names']
    found = encoder.features([folder / n for n in names], ['patches'])
    patches = found['patches'].flatten(0, 1).double()
    centred = patches - patches.mean(0)
    unit = centred / centred.norm(dim=1, keepdim=True)
    compact = unpacked(view['compact'], np.int8).reshape(64, -1) / 127
    assert np.abs(compact @ compact.T - (unit @ unit.T).numpy()).max() < 0.05
    others = [folder / other['name'] for other in page.content['others']]
    found = encoder.features(others, ['cls'])['cls'].double()
    centred = found - found.mean(0)
    unit = centred / centred.norm(dim=1, keepdim=True)
    likeness = unpacked(view['likeness'], np.int8).reshape(12, 12) / 127
    assert np.abs(likeness - (unit @ unit.T).numpy()).max() < 0.01


def test_a_plain_vit_needs_no_config(folder, tmp_path):
    torch.manual_seed(0)
    vit = VisionTransformer(
        dict(
            embed_dims=192,
            num_layers=2,
            num_heads=3,
            feedforward_channels=384,
        ),
        img_size=32,
        patch_size=16,
    )
    state = {f'backbone.{k}': v for k, v in vit.state_dict().items()}
    path = tmp_path / 'vit.pth'
    torch.save(dict(state_dict=state), path)
    out = tmp_path / 'look.html'
    look([path], folder, out, pictures=2, neighbours=3, device='cpu')
    content = Page(out.read_text()).content
    (view,) = content['views']
    assert (view['layers'], view['heads']) == (2, 3)
    assert view['scores'] is None and view['predictions'] == []
    assert len(content['names']) == 2 and content['total'] == 12


def test_a_clip_needs_no_config(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_vit, 'WIDTH', 192)
    state = plain_vit.random_vit(clip=True)
    path = tmp_path / 'clip.pth'
    torch.save(plain_vit.as_clip(state), path)
    encoder, _ = open_encoder(path, device='cpu')
    paths = sorted((folder / 'dogs').iterdir())[:2]
    inputs = encoder.load(paths)
    rows = []
    for place in paths:
        with Image.open(place) as image:
            # The shorter side of 40 x 48 to 32, the middle of 38.
            small = image.resize((38, 32), Image.Resampling.BICUBIC)
        pixels = torch.tensor(np.asarray(small)[:, 3:35]).permute(2, 0, 1)
        mean, std = (torch.tensor(part).view(3, 1, 1) for part in CLIP)
        rows.append((pixels - mean) / std)
    torch.testing.assert_close(inputs, torch.stack(rows))
    tokens = plain_vit.forward(state, inputs, heads=3, clip=True, final=True)
    found = encoder.features(paths, ['cls', 'patches'])
    for name, wanted in (('cls', tokens[:, 0]), ('patches', tokens[:, 1:])):
        torch.testing.assert_close(found[name], wanted, rtol=1e-4, atol=1e-4)
    out = tmp_path / 'look.html'
    look([path], folder, out, pictures=2, neighbours=3, device='cpu')
    (view,) = Page(out.read_text()).content['views']
    assert (view['layers'], view['heads']) == (plain_vit.DEPTH, 3)


def test_two_checkpoints_have_the_same_pictures(folder, checkpoint, tmp_path):
    out = tmp_path / 'look.html'
    look([checkpoint] * 2, folder, out, [CONFIG] * 2, 3, 5, device='cpu')
    one, other = Page(out.read_text()).content['views']
    for name in ('pictures', 'attention', 'colours', 'compact', 'scores'):
        assert one[name] == other[name]


def test_an_encoder_of_maps_has_no_attention():
    class Maps(torch.nn.Module):
        data_preprocessor = torch.nn.Module()

        def extract_feat(self, inputs):
            return (torch.nn.functional.avg_pool2d(inputs, 8),)

    model = Maps()
    model.data_preprocessor.mean = torch.zeros(3, 1, 1)
    model.data_preprocessor.std = torch.ones(3, 1, 1)
    inputs = torch.rand(2, 3, 32, 32)
    view = view_of(model, 'maps', inputs, inputs)
    assert view['attention'] is None and view['scores'] is None
    assert view['grid'] == [4, 4] and view['feature'] == 'mean'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{ckpt}', '{empty}'], 'no pictures below'),
        (['{ckpt}', '{empty}/no'], 'no folder'),
        (['{empty}/no.pth', '{folder}'], 'no checkpoint'),
        (['{ckpt}', '{folder}', '--out', '{ckpt}'], 'exists'),
        (['{ckpt}', '{folder}', '--pictures', '0'], '--pictures is 0: give 1'),
        (['{ckpt}', '{folder}', '--neighbours', '-3'], '--neighbours is -3'),
        (['{ckpt}', '{folder}', '--out', '{folder}/a.html'], 'a.html'),
        (['{ckpt}', '{folder}', '--config', 'none', 'none'], '2 configs'),
    ],
)
def test_bad_input_is_told(
    arguments, message, folder, checkpoint, tmp_path, monkeypatch
):
    (tmp_path / 'empty').mkdir()
    places = dict(ckpt=checkpoint, folder=folder, empty=tmp_path / 'empty')
    out = ['--out', str(tmp_path / 'new.html'), '--config', str(CONFIG)]
    command = [text.format(**places) for text in arguments]
    if '--out' in command:
        out = out[2:]
    if '--config' in command:
        out = out[:-2]
    monkeypatch.setattr('sys.argv', ['ccmim look', *command, *out])
    with pytest.raises(SystemExit, match=message):
        tool.main()
    assert not (tmp_path / 'new.html').exists()


def test_a_run_writes_pages_and_is_not_disturbed(picture_folder, tmp_path):
    weights = {}
    for looked in (False, True):
        work_dir = tmp_path / str(looked)
        cfg = config(picture_folder, work_dir)
        hook = dict(
            type='LookHook',
            dataset=cfg.custom_hooks[-1].dataset,
            interval=1,
            num_pictures=2,
            num_neighbours=5,
        )
        cfg.custom_hooks += [hook] * looked
        runner = RUNNERS.build(cfg)
        runner.train()
        weights[looked] = runner.model.state_dict()
    for name, value in weights[False].items():
        assert value.equal(weights[True][name]), name
    pages = sorted((tmp_path / 'True/look').iterdir())
    assert [page.name for page in pages] == [
        *('epoch_0001.html', 'epoch_0002.html')
    ]
    content = [Page(page.read_text()).content for page in pages]
    assert content[0]['names'] == content[1]['names']
    assert len(content[0]['names']) == 2 and len(content[0]['others']) == 5
    pictures = [p for p in (picture_folder / 'val').rglob('*') if p.is_file()]
    assert content[0]['total'] == len(pictures) > 5
    one, other = (page['views'][0] for page in content)
    assert one['pictures'] == other['pictures']
    assert one['attention'] != other['attention']
    assert not (tmp_path / 'False/look').exists()


def test_the_map_does_not_mind_the_order_of_pictures(folder, checkpoint):
    encoder = load_encoder(CONFIG, str(checkpoint), device='cpu')
    inputs = encoder.load(folder)
    order = torch.randperm(len(inputs), generator=torch.Generator())
    one = view_of(encoder.model, 'one', inputs[:2], inputs)['map']
    other = view_of(encoder.model, 'other', inputs[:2], inputs[order])['map']
    assert np.allclose(np.array(one)[order], other, atol=1e-3)


def test_neighbours_are_spread_over_the_folder(tmp_path):
    for i in range(100):
        (tmp_path / f'{i:03}.png').touch()
    for pictures, neighbours in ((7, 30), (24, 31), (10, 10), (30, 7)):
        shown, others = _chosen(tmp_path, pictures, neighbours)
        assert len(others.names) == max(pictures, neighbours)
        assert others.names[:pictures] == shown.names
        numbers = sorted(int(name[:3]) for name in others.names)
        assert numbers[-1] == 99
        assert max(np.diff(numbers)) <= 2 * 100 / min(pictures, neighbours) + 2


def test_a_painted_mask_is_taken_as_the_page_has_it(folder, checkpoint):
    encoder = load_encoder(CONFIG, str(checkpoint), device='cpu')
    mask = [[0] * 4 + [1] * 12]
    told = encoder.explain(folder / 'cats/0.png', mask=mask)
    assert told.mask.tolist() == mask


def test_the_hook_of_the_page_fits_its_config():
    text = (ROOT / 'docs/look.md').read_text()
    snippet = re.search(r'```python\n(.*?)```', text, re.DOTALL)[1]
    cfg = Config.fromstring(snippet, '.py')
    hook = cfg.custom_hooks[-1]
    assert hook.type == 'LookHook'
    assert hook.dataset.pipeline[2].crop_size == cfg.model.backbone.img_size
