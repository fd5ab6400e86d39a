"""Which stamps are a jump back in time, and which were only overtaken by one."""

from __future__ import annotations

import pytest

from clip2scene_ros.sync.time_jumps import TimeJumpDetector

S = 1_000_000_000


@pytest.fixture
def watch():
    """Cloud, image and pose have come up to 100 s."""
    watch = TimeJumpDetector()
    for source in ("cloud", "image", "pose"):
        assert take(watch, source, 100) == 0
    return watch


def take(watch, source, at_s):
    """Seconds that a stamp jumped back by; None if it is left over."""
    if watch.is_left_over(source, round(at_s * S)):
        return None
    return watch.jump_ns(source, round(at_s * S)) / S


def test_half_a_second_back_is_a_late_message_and_more_is_a_jump(watch):
    assert take(watch, "cloud", 99.5) == 0
    assert watch.num_jumps == 0
    assert take(watch, "cloud", 99.4) == pytest.approx(0.6)
    assert watch.num_jumps == 1


def test_sources_do_not_share_a_clock(watch):
    assert take(watch, "another", 3) == 0
    assert watch.num_jumps == 0


def test_what_others_send_from_before_a_jump_is_left_over_and_their_return_no_second_jump(watch):
    assert take(watch, "cloud", 3) == 97
    assert take(watch, "pose", 100.02) is None
    assert take(watch, "pose", 2.98) == 0
    assert take(watch, "image", 100.1) is None
    assert take(watch, "image", 3.01) == 0
    assert take(watch, "pose", 3.02) == 0
    assert watch.num_jumps == 1


def test_a_source_that_never_jumps_is_left_over_for_half_a_second_only(watch):
    take(watch, "cloud", 3)
    assert take(watch, "pose", 100.4) is None
    assert take(watch, "pose", 100.5) == 0
    assert take(watch, "pose", 100.6) == 0


def test_one_wrong_stamp_leaves_nobody_behind(watch):
    take(watch, "pose", 3)
    assert take(watch, "pose", 100.01) == 0
    assert take(watch, "cloud", 100.05) == 0


def test_each_new_start_of_a_bag_is_one_jump(watch):
    for number in range(1, 4):
        assert take(watch, "image", 3) == 97
        assert take(watch, "cloud", 100.1) is None
        for source in ("cloud", "pose"):
            assert take(watch, source, 3) == 0
        for source in ("cloud", "image", "pose"):
            assert take(watch, source, 100) == 0
        assert watch.num_jumps == number


def test_nothing_is_a_jump_after_it_was_cleared(watch):
    take(watch, "cloud", 3)
    watch.clear()
    assert take(watch, "pose", 100.1) == 0
    assert take(watch, "cloud", 1) == 0
    assert watch.num_jumps == 1
