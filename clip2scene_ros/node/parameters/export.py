"""Write the parameter table for people: a ROS parameter file and a Markdown page."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from clip2scene_ros.node.parameters.row import ParameterRow
from clip2scene_ros.node.parameters.table import ROWS

_YAML_WIDTH = 100

_YAML_HEAD = """\
# Every parameter of segment_node with its default; written by `clip2scene parameters --yaml`.
# Those that say "At run time" change by `ros2 param set /clip2scene NAME VALUE` as well.

/**:
  ros__parameters:
"""

_MARKDOWN_HEAD = """\
# Parameters of segment_node

Written by `clip2scene parameters`. The node refuses a name that is not in this table and a value
that does not fit; a change at run time is taken as a whole or not at all, and the answer to
`ros2 param set` says why:

```sh
ros2 param set /clip2scene prompts "['van','traffic island','cyclist']"
```

An empty list has no type in ROS: where a list may be empty, `['']` or `[-1]` stands for it.

| name | default | range | at run time | what |
|---|---|---|---|---|
"""


def parameters_yaml() -> str:
    """Write the table as a ROS parameter file."""
    lines: list[str] = []
    for prefix in dict.fromkeys(_prefix(row) for row in ROWS):
        indent = " " * 4
        if prefix:
            lines.append(f"{indent}{prefix}:")
            indent += "  "
        for row in ROWS:
            if _prefix(row) == prefix:
                lines += _yaml_lines(row, indent)
    return _YAML_HEAD + "\n".join(lines) + "\n"


def parameters_markdown() -> str:
    """Write the table as a Markdown page."""
    return _MARKDOWN_HEAD + "".join(_markdown_line(row) for row in ROWS)


def _prefix(row: ParameterRow) -> str:
    return row.name.rpartition(".")[0]


def _yaml_lines(row: ParameterRow, indent: str) -> Iterator[str]:
    text = row.description
    if row.limits:
        text += f" {'One of ' if row.choices and not row.within else ''}{row.limits}."
    if row.dynamic:
        text += " At run time."
    width = _YAML_WIDTH - len(indent) - 2
    yield from (f"{indent}# {line}" for line in textwrap.wrap(text, width))
    yield f"{indent}{row.name.rpartition('.')[2]}: {_literal(row.ros_default)}"


def _markdown_line(row: ParameterRow) -> str:
    cells = (
        f"`{row.name}`",
        f"`{_literal(row.ros_default)}`",
        row.limits,
        "yes" if row.dynamic else "",
        row.description,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _literal(value: Any) -> str:
    """Write a value in JSON, which YAML reads alike."""
    return json.dumps(value)
