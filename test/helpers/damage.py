"""Ways in which files of others are damaged, as hypothesis draws them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,  # CI must not fail by chance
    # Each example writes its files anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FEW = settings(EXAMPLES, max_examples=40)
"""For readers that build a network each time."""

ODD_VALUES = st.sampled_from(
    [
        None, True, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**30, -(10**400), "", "x",
        "../../x", "nan", "a" * 5000, "\x1b[31m\nerror", [], {}, [[]], [None], {"x": 1}, [0, 0, 0],
        ["a", "b"], [1e999, 0, 0, 0], {"": None},
    ]
).map(copy.deepcopy)  # fmt: skip


@st.composite
def damaged_tree(draw: st.DrawFn, tree: Any) -> Any:
    """A JSON-like value with one to three places replaced, removed or doubled."""
    changed = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            return draw(ODD_VALUES)
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if how == "replace":
            owner[key] = draw(ODD_VALUES)
        elif how == "remove":
            del owner[key]
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(owner[key]))
        else:
            owner[f"{key}2"] = copy.deepcopy(owner[key])
    return changed


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, head: int = 10**9) -> bytes:
    """A file's content cut off, with holes, or with bytes changed; mostly in its first bytes."""
    changed = bytearray(content)
    if draw(st.booleans()):
        return bytes(changed[: draw(st.integers(0, min(len(changed), head)))])
    for _ in range(draw(st.integers(1, 5))):
        if not changed:
            break
        place = draw(st.integers(0, min(len(changed), head) - 1))
        how = draw(st.sampled_from(["change", "delete", "insert"]))
        if how == "change":
            changed[place] = draw(st.integers(0, 255))
        elif how == "delete":
            del changed[place : place + draw(st.integers(1, 30))]
        else:
            changed[place:place] = draw(st.binary(min_size=1, max_size=10))
    return bytes(changed)


def _places(tree: Any) -> Any:
    """Owner and key of every value in a tree."""
    if not isinstance(tree, (dict, list)):
        return
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
