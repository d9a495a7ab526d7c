import pytest
import torch

from ccmim_mm.evaluation import object_cover, on_object


def test_cover_counts_judged_pixels_alone():
    label_map = torch.zeros(1, 4, 4, dtype=torch.uint8)
    label_map[0, :2, :2] = torch.tensor([[3, 0], [255, 255]])
    label_map[0, :2, 2:] = 255
    label_map[0, 2:, :2] = 1
    assert object_cover(label_map, 2).tolist() == [[0.5, 0.0, 1.0, 0.0]]


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='no grid of 3 x 3'):
        object_cover(torch.zeros(1, 4, 4), 3)


def test_equal_weights_find_the_objects_share():
    cover = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    even = on_object(torch.full((2, 4), 0.3), cover)
    torch.testing.assert_close(even, cover.mean(1))
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    assert on_object(mask, cover).tolist() == [0.75, 0.0]
