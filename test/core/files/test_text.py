"""YAML, JSON and text of others, within bounds."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clip2scene_core.files.damage import name_damage, one_line, shortened
from clip2scene_core.files.text import MAX_YAML_NODES, load_json, load_yaml, read_text


def test_yaml_is_read_as_yaml_s_own_reader_does():
    text = "a: &x [1, 2.5, yes, null, text, 2024-01-02]\nb: *x\nc: {<<: {d: 1}, e: 2}\n"
    assert load_yaml(text) == yaml.safe_load(text)
    assert load_yaml("") is None
    assert load_yaml("# nothing\n") is None


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab c:-", max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(JSON_LIKE)
def test_what_yaml_writes_comes_back(value):
    assert load_yaml(yaml.safe_dump(value)) == value


@settings(max_examples=200, deadline=None)
@given(st.text("ab:-&*[]{}<>!|'\"#%@\n\t 01.e~\\\0é", max_size=40))
def test_any_text_is_read_or_refused_by_yaml_s_errors(text):
    try:
        ours = load_yaml(text)
    except (yaml.YAMLError, ValueError, TypeError):
        return
    assert repr(ours) == repr(yaml.safe_load(text))


BOMBS = {
    "a billion laughs": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "an alias that contains itself": "a: &a [*a]\n",
    "merged again and again": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 40)),
    "depth": "[" * 5000,
    "closed depth": "[" * 500 + "]" * 500,
    "many values": "[" + "1," * (MAX_YAML_NODES + 1) + "]",
}


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "many values"])
def test_what_aliases_and_depth_multiply_is_refused_at_once(name):
    started = time.monotonic()
    with pytest.raises(yaml.YAMLError) as refusal:
        load_yaml(BOMBS[name])
    assert time.monotonic() - started < 2
    assert len(str(refusal.value)) < 300


def test_json_of_any_depth_is_refused_as_text():
    for text in ("[" * 200_000, '{"a":' * 200_000):
        with pytest.raises(ValueError, match=r"nested|Expecting"):
            load_json(text)
    assert load_json('{"a": [1, null]}') == {"a": [1, None]}


def test_texts_have_a_size_and_an_encoding(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path) == "abc"
    assert read_text(path, 6) == "abc"
    with pytest.raises(ValueError, match="6 bytes, at most 5"):
        read_text(path, 5)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


class OursError(ValueError):
    pass


def test_the_boundary_names_the_file_in_one_short_line():
    for raised, said in (
        (KeyError("width"), "no 'width'"),
        (ValueError("a\n" * 500), "characters"),
        (RecursionError(), "RecursionError"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file"),
        (yaml.YAMLError("what"), "what"),
    ):
        with pytest.raises(OursError, match=said) as refusal:
            raise_in_boundary(raised)
        text = str(refusal.value)
        assert text.startswith("f.yaml: damaged table (")
        assert text.endswith("); mend it")
        assert "\n" not in text
        assert refusal.value.__cause__ is raised


def raise_in_boundary(error):
    with name_damage("f.yaml", "table", OursError, "; mend it"):
        raise error


def test_the_boundary_lets_through_what_is_ours_and_what_is_no_damage():
    for raised in (OursError("ours"), KeyboardInterrupt(), AssertionError("a mistake")):
        with pytest.raises(type(raised)) as caught, name_damage("f", "table", OursError):
            raise raised
        assert caught.value is raised
    assert shortened("a" * 10, 5) == "aaaaa... (10 characters)"
    assert one_line(ValueError("")) == "ValueError"
