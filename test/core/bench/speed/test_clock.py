"""The clock: everything is compared on the same input, in turns that rotate."""

import time

import pytest

from clip2scene_core.bench.speed.clock import interleave, measure, paired_ratios, quartiles_of


def test_each_input_goes_to_all_before_the_next_and_the_first_one_rotates():
    calls = []

    def note(name):
        def call(number):
            calls.append((number, name))
            return number

        return call

    answers = interleave({name: note(name) for name in "abc"}, range(4), warm_up=1)
    assert [number for number, _ in calls] == sorted(number for number, _ in calls)
    assert [name for _, name in calls] == list("abc" + "bca" + "cab" + "abc")
    assert answers == {name: [1, 2, 3] for name in "abc"}


def test_quartiles_and_ratios_are_of_pairs():
    found = quartiles_of([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)
    assert found.format() == "3.0 (2.0-4.0)"
    # The ratio of the medians would be 1.
    assert paired_ratios([1.0, 2.0, 30.0], [0.5, 1.0, 2.0]).median == 2.0
    with pytest.raises(ValueError, match="argument 2"):
        paired_ratios([1.0], [1.0, 2.0])


def test_waiting_costs_wall_time_and_hardly_any_of_the_processor():
    waited = measure(lambda: time.sleep(0.05))
    assert waited.wall_ms > 45
    assert waited.cpu_ms < 25
