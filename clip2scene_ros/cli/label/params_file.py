"""The node's parameter file for a command: what it sets beside the node's defaults holds here."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_ros.node.parameters.row import ParameterError, ParameterRow
from clip2scene_ros.node.parameters.table import ROWS, NodeParameters

if TYPE_CHECKING:
    from clip2scene_core.inference.online import OnlineSegmenter

_NODE: Final = "clip2scene"
_WILDCARDS: Final = ("/**", "/*", "**", "*")
_ROW_OF: Final = {row.name: row for row in ROWS}
_PROMPTS: Final = (
    "prompts",
    "prompts_file",
    "prompt_names",
    "prompt_groups",
    "prompt_template",
    "palette",
    "query",
)
_DEST_OF: Final = {"extrinsics_file": "extrinsics", "num_threads": "threads"}


def add_params_file_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --params-file."""
    parser.add_argument(
        "--params-file",
        type=Path,
        metavar="FILE",
        help="parameter file of the node; what is typed beside it wins",
    )


def read_params_file(path: Path) -> NodeParameters:
    """Read a parameter file as the node would.

    Args:
        path: YAML file with ros__parameters of clip2scene or of every node.

    Returns:
        Its values, and the node's defaults for the rest.

    Raises:
        ValueError: If it is no parameter file, names an unknown parameter, or a value does not fit.
        OSError: If it cannot be read.
    """
    try:
        content = load_yaml(read_text(path))
    except NOT_YAML as error:
        raise ParameterError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    given: dict[str, Any] = {}
    sections = content if isinstance(content, Mapping) else {}
    for node, section in sections.items():
        is_ours = node in _WILDCARDS or str(node).rpartition("/")[2] == _NODE
        if is_ours and isinstance(section, Mapping) and "ros__parameters" in section:
            given |= {
                name: value
                for name, value in _flat("", section["ros__parameters"])
                if name != "use_sim_time" and not name.startswith("qos_overrides.")
            }
    if not given:
        raise ParameterError(f"{path}: has no ros__parameters of /** or {_NODE}")
    try:
        return NodeParameters(**dict(_read(name, value) for name, value in given.items()))
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def apply_params(
    values: NodeParameters, arguments: argparse.Namespace, defaults: argparse.ArgumentParser
) -> None:
    """Set arguments that were not typed to what a parameter file sets.

    Args:
        values: From `read_params_file`; what equals the node's default sets nothing.
        arguments: Changed in place. What the segmenter needs and no argument offers is put into
            `online_options` and `text_embeddings`, which `make_segmenter` reads.
        defaults: Knows the default of each argument.
    """
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_ros.node.parameters.options import online_options

    usual = NodeParameters()
    for row in ROWS:
        value = getattr(values, row.field)
        if value == getattr(usual, row.field) or row.field in _PROMPTS:
            continue
        dest = _DEST_OF.get(row.field, row.name.replace(".", "_"))
        if dest == "key_smoothing":
            dest, value = "no_key_smoothing", not value
        if dest in vars(arguments) and getattr(arguments, dest) == defaults.get_default(dest):
            is_path = isinstance(getattr(usual, row.field), str) and dest == "extrinsics"
            setattr(arguments, dest, Path(value) if is_path else value)
    new, old = online_options(values), online_options(usual)
    arguments.online_options = {
        field.name: getattr(new, field.name)
        for field in fields(OnlineOptions)
        if field.name not in vars(arguments)
        and field.name not in ("key_smoothing", "camera_scales")
        and getattr(new, field.name) != getattr(old, field.name)
    }
    arguments.text_embeddings = Path(values.text_embeddings) if values.text_embeddings else None


def apply_prompts(
    values: NodeParameters, segmenter: OnlineSegmenter, typed: list[str] | None
) -> None:
    """Give a segmenter the prompts, names, groups, template, palette and query of the file.

    Args:
        values: From `read_params_file`.
        segmenter: With its own prompts, or those that were typed.
        typed: Prompts that were typed; they win over the file's prompts with names and groups.

    Raises:
        ValueError: If they do not fit together.
        OSError: If the prompts' file cannot be read.
    """
    from clip2scene_ros.node.parameters.options import asked_prompt_set, base_prompt_set

    usual = NodeParameters()
    if typed or all(getattr(values, name) == getattr(usual, name) for name in _PROMPTS):
        return
    asked = asked_prompt_set(values, base_prompt_set(values, segmenter.vocabulary))
    segmenter.apply(segmenter.encode(asked))


def _flat(prefix: str, content: Any) -> Iterator[tuple[str, Any]]:
    """Names with dots and their values."""
    if not isinstance(content, Mapping):
        yield prefix, content
        return
    for name, value in content.items():
        yield from _flat(f"{prefix}.{name}" if prefix else str(name), value)


def _read(name: str, value: Any) -> tuple[str, Any]:
    row = _ROW_OF.get(name)
    if row is None:
        nearest = difflib.get_close_matches(name, _ROW_OF, n=1, cutoff=0.0)[0]
        raise ParameterError(f"unknown parameter '{name}'; did you mean '{nearest}'?")
    if not _fits(row, value):
        raise ParameterError(f"parameter '{name}' must be like {row.ros_default!r}; got {value!r}")
    return row.field, row.from_ros(value)


def _fits(row: ParameterRow, value: Any) -> bool:
    if row.empty_list is not None:
        kind = type(row.empty_list[0])
        return isinstance(value, list) and all(type(item) is kind for item in value)
    if row.is_number_or_text:
        return isinstance(value, (str, int, float)) and not isinstance(value, bool)
    if isinstance(row.default, float):
        return type(value) in (int, float)
    return type(value) is type(row.default)
