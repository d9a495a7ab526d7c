"""Some of the random runs; ``make stress`` tries fifty."""

import pytest
from resume_cases import difference, draw

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('number', range(6))
def test_a_run_stopped_at_random_is_the_straight_one(
    number, picture_folder, tmp_path
):
    assert not difference(draw(number), picture_folder, tmp_path)
