"""YAML and JSON of others: bounded in size, depth and in what aliases multiply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

MAX_TEXT_BYTES: Final = 1 << 20
"""Largest YAML file, prompt file or list of scenes, bytes."""

NOT_YAML: Final = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)
"""What `load_yaml` raises; PyYAML's own errors do not cover dates and keys that are none."""

MAX_YAML_NODES: Final = 100_000
"""Most values of a YAML file, each alias counted as often as it stands for."""

_MAX_DEPTH: Final = 100


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a text file; a byte order mark is left out.

    Args:
        path: The file, in UTF-8.
        max_bytes: Most bytes that it may have.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is larger, or no UTF-8.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"it has {size} bytes, at most {max_bytes} are read")
    with path.open("rb") as file:  # a pipe has no size
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes} bytes")
    return content.decode("utf-8-sig")


def load_yaml(text: str) -> Any:
    """Read a YAML text of one document.

    Args:
        text: The document.

    Returns:
        Texts, numbers, booleans, None, dates, and lists and dictionaries of them.

    Raises:
        yaml.YAMLError, or another one of NOT_YAML: If it is no YAML, or its aliases multiply or
            contain themselves.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count_nodes(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Stops as soon as a text is too deep or too long; PyYAML's time grows with the depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._num_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next value, within bounds."""
        self._depth += 1
        self._num_nodes += 1
        if self._depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {_MAX_DEPTH} levels")
        if self._num_nodes > MAX_YAML_NODES:
            raise yaml.YAMLError(f"it has more than {MAX_YAML_NODES} values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _count_nodes(root: yaml.Node) -> None:
    """Count values with aliases taken apart, without taking them apart."""
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        if id(node) in counts:
            return counts[id(node)]
        if id(node) in open_nodes:
            raise yaml.YAMLError("an alias stands for something that contains it")
        open_nodes.add(id(node))
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(count(inner) for pair in node.value for inner in pair)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(count(inner) for inner in node.value)
        open_nodes.remove(id(node))
        counts[id(node)] = total
        if total > MAX_YAML_NODES:
            raise yaml.YAMLError(f"its aliases make more than {MAX_YAML_NODES} values")
        return total

    count(root)


def load_json(text: str | bytes) -> Any:
    """Read a JSON text.

    Raises:
        ValueError: If it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
