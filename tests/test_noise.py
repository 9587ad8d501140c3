"""What counts as float noise."""

import pytest

from mpq_checks.noise import FLOORS, differs, floor


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_a_difference_up_to_the_floor_is_none_and_one_beyond_it_is(name):
    assert not differs({name: 0.99 * floor(name)}, {name: 0.0})
    assert differs({name: 1.5 * floor(name)}, {name: 0.0})


def test_a_floor_holds_for_what_is_nested_in_its_field():
    near = {"frames_db": {"vocals": [1.0005, None, "exact"]}}
    assert not differs(near, {"frames_db": {"vocals": [1.0, None, "exact"]}})
    assert differs(near, {"frames_db": {"vocals": [1.0, None, 3.0]}})


@pytest.mark.parametrize(
    ("new", "old", "moved"),
    [
        ({"intersection": [100, 50]}, {"intersection": [101, 50]}, False),
        ({"intersection": [100, 50]}, {"intersection": [102, 50]}, True),
        ({"errors": 3}, {"errors": 4}, True),
        ({"hypothesis": "a cat"}, {"hypothesis": "a hat"}, True),
        ({"x": 1.00005}, {"x": 1.0}, False),
        ({"x": 1.0}, {"y": 1.0}, True),
        ([1.0], [1.0, 2.0], True),
        (float("inf"), float("inf"), False),
        (float("inf"), 3.0, True),
        (1.0, None, True),
    ],
)
def test_what_differs(new, old, moved):
    assert differs(new, old) is moved
    assert differs(old, new) is moved
