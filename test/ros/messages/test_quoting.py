"""Texts of others on one line, without control characters, and short."""

from __future__ import annotations

import pytest

from clip2scene_ros.messages.quoting import one_line, quoted

FORGED = "map\n[ERROR] [1700000000.0] [planner]: brakes failed\x1b[31m\x1b]0;title\x07"


@pytest.mark.parametrize("name", ["base_link", "/os_lidar", "cam-1.left", "Straße", "~x"])
def test_an_ordinary_name_stays_as_it_is(name):
    assert quoted(name) == name


@pytest.mark.parametrize(
    "text", [FORGED, "", "two words", "a\u202eb", "\x9b31m", "a\r", "\ud800", "it's", "a\u2028b"]
)
def test_every_other_text_is_in_quotes_and_can_be_printed(text):
    shown = quoted(text)
    assert shown[0] in "'\""
    assert shown[-1] == shown[0]
    assert shown.isprintable()
    assert eval(shown) == text  # nothing is lost


def test_a_long_text_is_cut_and_its_length_said():
    shown = quoted("\x1b" * 1_000_000)
    assert shown.endswith("...' (1000000 characters)")
    assert len(shown) < 400


def test_a_message_becomes_one_line():
    line = one_line(f"no transform {FORGED}\n\tknown frames: \x00")
    assert line.isprintable()
    assert line.startswith("no transform map [ERROR]")
    assert "\\x1b[31m" in line
    assert len(one_line("y" * 1_000_000)) < 1100
    assert one_line("as it\n  is") == "as it is"
    one_line("\udfff").encode()
