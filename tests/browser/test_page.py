"""The page of `ccmim look` in a real browser, without a network.

    make test-browser CHROMIUM=/usr/bin/chromium-headless-shell

Not part of the suite: it needs playwright and a Chromium.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sync_api = pytest.importorskip('playwright.sync_api')
if 'CHROMIUM' not in os.environ:
    pytest.skip('CHROMIUM names no browser', allow_module_level=True)
TESTS = Path(__file__).parents[1]
TABS = (
    *('Attention', 'Masks', 'Prediction', 'Features', 'Similarity'),
    *('Neighbours', 'Map'),
)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    """A page of two random encoders on pictures with hostile names."""
    sys.path.insert(0, str(TESTS))
    from ccmim_mm.apis import load_encoder
    from ccmim_mm.apis.look import look

    root = tmp_path_factory.mktemp('page')
    rng = np.random.default_rng(0)
    for label in ('cats', 'dogs'):
        (root / 'data' / label).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
            name = f'{i}<img src=x onerror=alert(1)>.png'
            Image.fromarray(pixels).save(root / 'data' / label / name)
    config = TESTS / 'tiny_config.py'
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = load_encoder(config, device='cpu').model
        state = dict(state_dict=model.state_dict())
        torch.save(state, root / f'weights_{seed}.pth')
    out = root / 'look.html'
    weights = [root / f'weights_{seed}.pth' for seed in (0, 1)]
    look(weights, root / 'data', out, [config] * 2, 4, 8, device='cpu')
    return out


@pytest.fixture(params=[(1300, 900), (380, 700)], ids=['wide', 'narrow'])
def page(request, file):
    """The page, open; what it asked for and complained of is checked."""
    width, height = request.param
    requests, complaints = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ['CHROMIUM'], args=['--no-sandbox']
        )
        context = browser.new_context(
            offline=True, viewport=dict(width=width, height=height)
        )
        found = context.new_page()
        found.on('request', lambda r: requests.append(r.url))
        found.on('console', lambda m: complaints.append(m.text))
        found.on('pageerror', lambda e: complaints.append(str(e)))
        found.on('dialog', lambda d: complaints.append(d.message))
        found.goto(f'file://{file}')
        yield found
        assert [r for r in requests if not r.startswith('data:')] == [
            f'file://{file}'
        ]
        assert complaints == []
        # Nothing sticks out of the window.
        wide = found.evaluate('document.documentElement.scrollWidth')
        assert wide <= width
        browser.close()


def pixels(page, row):
    """What a canvas shows, as text."""
    return page.evaluate(
        '(row) => document.querySelectorAll("figure canvas")[row].toDataURL()',
        row,
    )


def open_tab(page, name):
    page.click(f'#tabs button:text-is("{name}")')
    page.wait_for_function(
        '[...document.querySelectorAll("img")].every((i) => i.complete)'
    )


def test_every_tab_opens(page):
    assert page.locator('#tabs button').all_inner_texts() == [*TABS]
    seen = {}
    for name in TABS:
        open_tab(page, name)
        selected = page.locator('#tabs [aria-selected=true]')
        assert selected.all_inner_texts() == [name]
        if name != 'Map':
            seen[name] = pixels(page, 0)
    assert len({*seen.values()}) >= 5


def test_layer_and_head_change_the_attention(page):
    before = pixels(page, 0)
    page.select_option('select[name=layer]', '0')
    assert pixels(page, 0) != before
    first = pixels(page, 0)
    page.select_option('select[name=head]', '1')
    assert pixels(page, 0) != first
    page.select_option('select[name=layer]', '-1')
    page.select_option('select[name=head]', '-1')
    assert pixels(page, 0) == before


def hidden(page):
    text = page.input_value('textarea[name=mask]')
    return json.loads(text)[0]


def test_a_mask_is_drawn_painted_and_handed_on(page):
    open_tab(page, 'Masks')
    drawn = pixels(page, 0)
    page.click('button[name=again]')
    assert pixels(page, 0) != drawn
    canvas = page.locator('figure canvas').first
    canvas.focus()
    for _ in range(3):
        page.keyboard.press('ArrowRight')
    page.keyboard.press('Enter')
    mask = hidden(page)
    assert len(mask) == 16 and sum(mask) in (11, 13)
    page.locator('figure canvas').first.focus()
    page.keyboard.press('Enter')
    assert sum(hidden(page)) == 12
    page.fill('input[name=ratio]', '0.5')
    page.click('button[name=again]')
    page.locator('figure canvas').first.focus()
    page.keyboard.press('Enter')
    assert sum(hidden(page)) in (7, 9)


def test_a_patch_is_compared_with_all_others(page):
    open_tab(page, 'Similarity')
    before = pixels(page, 3)
    page.locator('figure canvas').first.click(position=dict(x=5, y=5))
    assert 'row 1, column 1' in page.inner_text('#status')
    assert pixels(page, 3) != before


def test_prediction_says_what_norm_pix_does(page):
    open_tab(page, 'Prediction')
    assert 'norm_pix' in page.inner_text('#explained')
    shown = pixels(page, 0)
    for variant in ('masked', 'predicted'):
        page.select_option('select[name=variant]', variant)
        assert pixels(page, 0) != shown


def test_neighbours_and_map_name_pictures(page):
    open_tab(page, 'Neighbours')
    assert page.locator('.near img').count() == 4 * 2 * 7
    open_tab(page, 'Map')
    circles = page.locator('svg circle')
    assert circles.count() == 2 * 8
    circles.first.focus()
    assert 'onerror' in page.locator('.peek').first.inner_text()


def test_tabs_move_by_the_arrow_keys(page):
    page.locator('#tabs button').first.focus()
    page.keyboard.press('ArrowRight')
    assert page.locator('#tabs [aria-selected=true]').inner_text() == 'Masks'
