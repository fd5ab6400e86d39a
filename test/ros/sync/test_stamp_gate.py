"""Which messages are let in, held or left out by their stamps; times are seconds."""

from __future__ import annotations

import pytest

from clip2scene_ros.sync.stamp_gate import Doubted, StampGate

S = 1_000_000_000


class Passage:
    """A gate, with what it let in, what it called wrong and the jumps, in order."""

    def __init__(self):
        self.taken, self.wrong, self.jumps = [], [], []
        self.gate = StampGate(
            lambda source, back_ns: self.jumps.append((source, back_ns / S)),
            self.leave_out,
        )

    def leave_out(self, source, at_ns, was_taken):
        self.wrong.append((source, at_ns / S))
        if was_taken:
            self.taken.remove((source, at_ns / S))

    def send(self, source, at_s, now_s):
        row = source, at_s
        at_ns, now_ns = round(at_s * S), round(now_s * S)
        message = Doubted(
            source, at_ns, now_ns, lambda: self.taken.append(row), is_pose=source == "pose"
        )
        return self.gate.admit(message, waits=source != "cloud")

    def send_all(self, from_s, to_s, sources=("cloud", "pose", "image"), now_s=None):
        """Each source ten times a second; the clock shows the stamps or goes on from `now_s`."""
        for tenth in range(round(10 * (to_s - from_s))):
            for source in sources:
                at_s = from_s + tenth / 10
                self.send(source, at_s, at_s if now_s is None else now_s + tenth / 10)


@pytest.fixture
def passage():
    """All have come up to 100 s."""
    passage = Passage()
    passage.send_all(99, 100.05)
    return passage


@pytest.mark.parametrize("source", ["cloud", "pose", "image"])
@pytest.mark.parametrize("wrong_s", [3700, 106, 102, 98, 40, -3500])
@pytest.mark.parametrize("number", [1, 3])
def test_wrong_stamps_are_left_out_and_nothing_else(passage, source, wrong_s, number):
    if wrong_s < 99:
        number = 1  # a second one is a jump
    num_before = len(passage.taken)
    for index in range(number):
        passage.send(source, wrong_s + index / 10, 100.1)
    passage.send_all(100.1, 102)
    assert len(passage.taken) - num_before == 3 * 19
    assert [name for name, _ in passage.wrong] == [source] * number
    assert passage.jumps == []


def test_first_message_of_all_may_be_the_wrong_one():
    passage = Passage()
    passage.send("pose", 100, 100)
    passage.send("cloud", 3700, 100)
    passage.send_all(100, 102)
    assert passage.wrong == [("cloud", 3700)]
    assert passage.jumps == []
    assert len(passage.taken) == 1 + 3 * 20


def test_pause_of_everything_is_no_leap(passage):
    num_before = len(passage.taken)
    passage.send_all(160, 162)
    assert len(passage.taken) - num_before == 3 * 20
    assert passage.wrong == passage.jumps == []


@pytest.mark.parametrize("sources", [("cloud", "pose", "image"), ("cloud",)])
def test_leap_that_the_clock_does_not_show_counts_once_it_lasts(sources):
    """A player that skips ahead, without its clock."""
    passage = Passage()
    passage.send_all(99, 100, sources)
    passage.send_all(500, 503, sources, now_s=100)
    assert len(passage.taken) == len(sources) * 40
    assert passage.wrong == passage.jumps == []


def test_slow_sources_do_not_leap():
    passage = Passage()
    for at_s in range(0, 100, 10):
        passage.send("cloud", at_s, at_s)
    assert len(passage.taken) == 10


@pytest.mark.parametrize("has_clock", [True, False])
def test_bag_that_starts_again_is_one_jump_and_loses_nothing(passage, has_clock):
    num_before = len(passage.taken)
    passage.send_all(50, 52, now_s=None if has_clock else 100.1)
    assert len(passage.taken) - num_before == 3 * 20
    assert passage.jumps == [("cloud", pytest.approx(49.9))]
    assert passage.gate.num_jumps == 1
    assert passage.wrong == []


def test_only_source_jumps_back_with_its_second_stamp():
    passage = Passage()
    passage.send_all(99, 100, ["cloud"])
    passage.send("cloud", 50, 100)
    assert passage.jumps == []
    passage.send("cloud", 50.1, 100.1)
    assert passage.jumps == [("cloud", pytest.approx(49.9))]
    assert passage.taken[-2:] == [("cloud", 50), ("cloud", 50.1)]


def test_what_was_sent_before_a_known_jump_is_said(passage):
    passage.send("cloud", 50, 50)
    assert passage.send("pose", 100.2, 50.1) is False
    assert passage.send("pose", 50.1, 50.1) is True


def test_what_waits_at_the_end_is_wrong(passage):
    passage.send("cloud", 3700, 100.1)  # taken at once
    passage.send("image", 3700, 100.1)
    passage.gate.flush()
    assert passage.wrong == [("image", 3700)]
    passage.send_all(100.1, 101)
    assert passage.wrong == [("image", 3700)]
    assert ("cloud", 3700) in passage.taken


def test_sensors_that_share_a_wrong_clock_do_not_vouch_for_each_other(passage):
    for source in ("cloud", "image", "cloud", "image"):
        passage.send(source, 3700, 100.1)
    passage.send_all(100.1, 101)
    assert len(passage.wrong) == 4
    assert passage.jumps == []


@pytest.mark.parametrize("first", ["cloud", "pose"])
def test_sensors_and_poses_that_leap_together_vouch_for_each_other(passage, first):
    second = {"cloud": "pose", "pose": "cloud"}[first]
    passage.send(first, 200, 100.1)
    passage.send(second, 200.1, 100.1)
    assert set(passage.taken[-2:]) == {(first, 200), (second, 200.1)}
    passage.send_all(200.2, 201, now_s=100.2)
    assert passage.wrong == passage.jumps == []


def test_without_poses_any_two_sources_vouch_for_each_other():
    passage = Passage()
    passage.send_all(99, 100, ["cloud", "image"])
    passage.send("image", 200, 100.1)
    passage.send("cloud", 200, 100.1)
    assert ("image", 200) in passage.taken


def test_stamps_in_no_strict_order_are_taken(passage):
    num_before = len(passage.taken)
    for at_s in (100.4, 100.2, 100.3, 99.95):
        passage.send("pose", at_s, 100.3)
    assert len(passage.taken) - num_before == 4
