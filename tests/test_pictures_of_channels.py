"""Pictures that have no colours as colours, and sizes in words."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmpretrain.models import ClsDataPreprocessor

from ccmim_mm.grids import as_pair, as_size, grid_of, in_words
from ccmim_mm.models import ChannelsPreprocessor
from ccmim_mm.visualization import as_rgb, draw_panel, stretch


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 50.0, 3000.0, 9.0, 0.1])[:, None, None]
    return torch.randn(2, 5, 32, 48, generator=generator) * scale + 7 * scale


def plain(picture, like):
    """One channel, between two quantiles of another's."""
    black, white = np.quantile(like.double().numpy(), [0.01, 0.99])
    return (picture.double().numpy() - black) / (white - black) * 255


@pytest.mark.parametrize(
    ('count', 'asked', 'shown'),
    [
        (5, None, (0, 1, 2)),
        (5, (4, 0, 2), (4, 0, 2)),
        (3, None, (0, 1, 2)),
        (2, None, (0, 0, 0)),
        (1, None, (0, 0, 0)),
    ],
)
def test_channels_are_stretched_between_their_quantiles(
    pixels, count, asked, shown
):
    like = pixels[:, :count]
    found = stretch(like * 1.5, like, asked)
    assert found.shape == (2, 3, 32, 48)
    for b in range(2):
        for place, channel in enumerate(shown):
            expected = plain(1.5 * like[b, channel], like[b, channel])
            np.testing.assert_allclose(
                found[b, place], expected, rtol=1e-3, atol=0.1
            )


def test_a_picture_that_is_the_same_everywhere_is_no_division_by_zero():
    flat = torch.full((1, 4, 8, 8), 3.0)
    assert stretch(flat, flat).isfinite().all()


def test_no_such_channel_names_those_there_are(pixels):
    with pytest.raises(IndexError, match=r'\[0, 5, 1\] .* channels 0 to 4'):
        stretch(pixels, pixels, (0, 5, 1))


def test_predictions_are_shown_as_their_pictures_are(pixels):
    mean = pixels.mean((0, 2, 3)).tolist()
    std = pixels.std((0, 2, 3)).tolist()
    preprocessor = ChannelsPreprocessor(mean, std)
    normal = preprocessor(dict(inputs=pixels, data_samples=None))['inputs']
    torch.testing.assert_close(
        normal.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=1e-4
    )
    colours = torch.rand(2, 3, 32, 48) * 4 - 2
    values = torch.rand(2, 24)
    shown = as_rgb(
        dict(picture=normal, predicted=normal * 0.5, of=colours, heat=values),
        preprocessor,
        (3, 2, 1),
    )
    torch.testing.assert_close(
        shown['picture'], stretch(pixels, pixels, (3, 2, 1)),
        rtol=1e-3, atol=0.1,
    )  # fmt: skip
    middle = torch.tensor(mean)[:, None, None]
    torch.testing.assert_close(
        shown['predicted'],
        stretch((pixels + middle) / 2, pixels, (3, 2, 1)),
        rtol=1e-3,
        atol=0.1,
    )
    torch.testing.assert_close(shown['of'], (colours + 2) / 4 * 255)
    assert shown['heat'] is values
    panel = draw_panel(shown)
    assert panel.dtype == np.uint8 and panel.std() > 10


def test_rgb_is_shown_as_it_is():
    rgb = SimpleNamespace(
        mean=torch.full((3, 1, 1), 100.0), std=torch.full((3, 1, 1), 50.0)
    )
    inputs = torch.rand(1, 3, 8, 12)
    shown = as_rgb(dict(picture=inputs), rgb)
    torch.testing.assert_close(shown['picture'], inputs * 50 + 100)


@pytest.mark.parametrize(
    ('count', 'picture', 'grid'),
    [
        (24, (32, 48), (4, 6)),
        (16, 32, (4, 4)),
        (96, (64, 96), (8, 12)),
        (6, (64, 96), (2, 3)),
        (25, (32, 48), None),
        (0, (32, 48), None),
        (24, (48, 32), (6, 4)),
        (10**9, (32, 48), None),
        (1, (32, 48), None),
    ],
)
def test_patches_that_fill_a_picture(count, picture, grid):
    assert grid_of(count, picture) == grid


def test_sizes():
    assert as_pair(7) == (7, 7) and as_pair([7, 9]) == (7, 9)
    assert as_size((7, 7)) == 7 and as_size((7, 9)) == (7, 9)
    assert in_words(7) == '7 x 7' and in_words((7, 9)) == '7 x 9'
    for wrong in ((1, 2, 3), (1,), (1.5, 2)):
        with pytest.raises(ValueError, match='is no size: give one whole'):
            as_pair(wrong)


def test_a_classifiers_pictures_of_channels_are_shown():
    preprocessor = ClsDataPreprocessor(mean=[5.0] * 4, std=[2.0] * 4)
    inputs = torch.randn(2, 4, 8, 8)
    shown = as_rgb(dict(picture=inputs), preprocessor)['picture']
    assert shown.shape == (2, 3, 8, 8)
    pixels = inputs * 2 + 5
    assert torch.allclose(shown, stretch(pixels, pixels), atol=1e-3)
