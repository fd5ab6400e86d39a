"""The node's ROS parameters: one table with default, range and description of each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields
from typing import Any, Final

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from clip2scene_ros.profiles import NUSCENES_CAMERAS

PROMPTS: Final = "prompts"
PROMPT_NAMES: Final = "prompt_names"

WORDS: Final = {
    PROMPTS: "Texts to look for; the label of a point is an index into them. By default those that "
    "the weights were trained with. May change at run time.",
    PROMPT_NAMES: "Names shown in the legend, one per prompt; [''] takes the prompts themselves. "
    "May change at run time; new prompts alone set it back.",
}
"""The two parameters that may change at run time; their defaults come with the weights."""


class ParameterError(ValueError):
    """A parameter that the node cannot start with; the message names it."""


def _parameter(
    name: str,
    default: bool | int | float | str | tuple[str, ...],
    description: str,
    *,
    within: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    return field(
        default=default,
        metadata={"name": name, "description": description, "within": within, "choices": choices},
    )


@dataclass(frozen=True)
class NodeParameters:
    """The values that the node was started with; each field is one row of the table.

    A field's metadata hold the parameter's ROS name, its description, its range and its choices.
    """

    mode: str = _parameter(
        "mode",
        "lidar",
        "lidar: the student alone; camera: MaskCLIP projected on the points; fused: both.",
        choices=("lidar", "camera", "fused"),
    )
    weights: str = _parameter(
        "weights", "small", "Student checkpoint (.safetensors), or 'small' for the shipped one."
    )
    teacher: str = _parameter(
        "teacher",
        "",
        "CLIP: 'small', ARCHITECTURE/TAG or ARCHITECTURE:FILE; '' is the one that taught the "
        "student, in mode camera the shipped one.",
    )
    device: str = _parameter(
        "device", "auto", "auto (a GPU where there is one), cpu, cuda or cuda:N."
    )
    precision: str = _parameter(
        "precision", "fp32", "Arithmetic of the student.", choices=("fp32", "bf16")
    )
    camera_weight: float = _parameter(
        "camera_weight",
        0.2,
        "Share of the cameras in mode fused; the rest is the student's.",
        within=(0.0, 1.0),
    )
    key_smoothing: bool = _parameter(
        "key_smoothing",
        True,
        "Smooth what CLIP sees by key similarity: better labels, twice the time of the cameras.",
    )
    num_threads: int = _parameter(
        "num_threads",
        0,
        "Threads of the CPU arithmetic; 0 takes half of the processors and leaves the rest to "
        "the middleware.",
        within=(0, 256),
    )
    min_confidence: float = _parameter(
        "min_confidence", 0.0, "Labels with a lower score become unlabelled.", within=(0.0, 1.0)
    )
    min_range_m: float = _parameter(
        "min_range", 1.5, "Nearer points stay unlabelled (the vehicle itself) [m].", within=(0, 50)
    )
    max_range_m: float = _parameter(
        "max_range", 80.0, "Points farther away stay unlabelled [m].", within=(1, 1000)
    )
    intensity_scale: float = _parameter(
        "intensity_scale", 255.0, "The sensor's largest intensity.", within=(1e-6, 1e6)
    )
    fixed_frame: str = _parameter(
        "fixed_frame", "map", "Frame of the map, in which the vehicle moves: map, or odom."
    )
    base_frame: str = _parameter(
        "base_frame", "base_link", "Frame of the vehicle, to which the sensors are mounted."
    )
    pose_source: str = _parameter(
        "pose_source",
        "tf",
        "tf: /tf and /tf_static; odometry: nav_msgs/Odometry on 'odom' and extrinsics_file; none: "
        "each sweep by itself, no map.",
        choices=("tf", "odometry", "none"),
    )
    extrinsics_file: str = _parameter(
        "extrinsics_file", "", "YAML file of sensor mounts, for robots without /tf_static."
    )
    zero_stamp: str = _parameter(
        "zero_stamp",
        "reject",
        "Messages with stamp 0: reject them, or stamp them on arrival.",
        choices=("reject", "arrival"),
    )
    cameras: tuple[str, ...] = _parameter(
        "cameras",
        NUSCENES_CAMERAS,
        "Camera names for the two topic templates; not used in mode lidar. [''] means none.",
    )
    camera_image_topic: str = _parameter(
        "camera_image_topic",
        "/{camera}/image_rect_compressed",
        "Topic of a camera's image; {camera} is its name, {CAMERA} its name in capitals.",
    )
    camera_info_topic: str = _parameter(
        "camera_info_topic",
        "/{camera}/camera_info",
        "Topic of a camera's CameraInfo; {camera} and {CAMERA} as above.",
    )
    image_transport: str = _parameter(
        "image_transport",
        "auto",
        "Type of the images; auto takes that of the first publisher.",
        choices=("auto", "raw", "compressed"),
    )
    sync_tolerance_s: float = _parameter(
        "sync.tolerance", 0.06, "An image serves sweeps this near in time [s].", within=(0.0, 0.5)
    )
    sync_max_wait_s: float = _parameter(
        "sync.max_wait", 0.1, "Time to wait for late images [s].", within=(0.0, 0.5)
    )
    tf_timeout_s: float = _parameter(
        "tf_timeout", 1.0, "Time to wait for a pose at or after a sweep [s].", within=(0.0, 10.0)
    )
    num_sweeps: int = _parameter(
        "num_sweeps", 10, "Labelled sweeps kept in the map.", within=(1, 1000)
    )
    map_enabled: bool = _parameter("map.enabled", True, "Publish ~/map.")
    map_voxel_size_m: float = _parameter(
        "map.voxel_size", 0.2, "Edge of the map's voxels [m].", within=(0.02, 2.0)
    )
    map_publish_rate_hz: float = _parameter(
        "map.publish_rate", 1.0, "Largest rate of ~/map [Hz].", within=(0.1, 10.0)
    )
    input_timeout_s: float = _parameter(
        "input_timeout",
        2.0,
        "An input that is silent for longer is an error [s].",
        within=(0.1, 60),
    )
    max_drop_ratio: float = _parameter(
        "max_drop_ratio",
        0.5,
        "Diagnostics warn when a larger share of the sweeps is dropped.",
        within=(0.0, 1.0),
    )
    reliability: str = _parameter(
        "qos.reliability",
        "auto",
        "Reliability of the sensor subscriptions; auto is reliable until a publisher offers less.",
        choices=("auto", "reliable", "best_effort"),
    )

    def __post_init__(self) -> None:
        for row in fields(self):
            name, choices = row.metadata["name"], row.metadata["choices"]
            value = getattr(self, row.name)
            if choices and value not in choices:
                raise ParameterError(
                    f"parameter '{name}' must be one of {', '.join(choices)}, got '{value}'"
                )
        if self.max_range_m <= self.min_range_m:
            raise ParameterError(
                f"parameter 'max_range' must be greater than 'min_range', "
                f"got {self.max_range_m} and {self.min_range_m}"
            )
        for name in ("camera_image_topic", "camera_info_topic"):
            template = getattr(self, name)
            if len(self.cameras) > 1 and "{camera}" not in template.lower():
                raise ParameterError(
                    f"parameter '{name}' must contain {{camera}}, because there are "
                    f"{len(self.cameras)} cameras; got '{template}'"
                )
        if len(set(self.cameras)) < len(self.cameras):
            raise ParameterError(f"parameter 'cameras' names one twice: {', '.join(self.cameras)}")

    def image_topic(self, camera: str) -> str:
        """Fill the image template in."""
        return _fill(self.camera_image_topic, camera)

    def info_topic(self, camera: str) -> str:
        """Fill the CameraInfo template in."""
        return _fill(self.camera_info_topic, camera)


def declare_parameters(node: Node) -> NodeParameters:
    """Declare every row of the table, read-only, and read it back.

    Args:
        node: Started without `automatically_declare_parameters_from_overrides`.

    Returns:
        The values.

    Raises:
        ParameterError: If a value has the wrong type or is out of range, or the user named a
            parameter that does not exist.
    """
    _refuse_unknown(node)
    values: dict[str, Any] = {}
    for row in fields(NodeParameters):
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        value = _declare(node, row.metadata["name"], default, _descriptor(row.metadata))
        values[row.name] = tuple(v for v in value if v) if isinstance(value, list) else value
    return NodeParameters(**values)


def declare_words(node: Node, own_prompts: tuple[str, ...]) -> tuple[list[str], list[str] | None]:
    """Declare `prompts` and `prompt_names`.

    Args:
        node: Without these two.
        own_prompts: The prompts that the weights bring along.

    Returns:
        Prompts and, where they were given, their names.

    Raises:
        ParameterError: If a value has the wrong type.
    """
    prompts = _declare(
        node, PROMPTS, list(own_prompts), ParameterDescriptor(description=WORDS[PROMPTS])
    )
    names = _declare(node, PROMPT_NAMES, [""], ParameterDescriptor(description=WORDS[PROMPT_NAMES]))
    return list(prompts), given_names(names)


def given_names(names: list[str]) -> list[str] | None:
    """Tell names from their absence: an empty ROS array has no type, so [''] stands for it."""
    return None if list(names) in ([], [""]) else list(names)


def _refuse_unknown(node: Node) -> None:
    known = [row.metadata["name"] for row in fields(NodeParameters)] + list(WORDS)
    # rclpy keeps what the user gave in a private attribute only; without this look a mistyped key
    # would leave the default in force and say nothing.
    for name in node._parameter_overrides:
        if name in known or node.has_parameter(name) or name.startswith("qos_overrides."):
            continue
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ParameterError(f"unknown parameter '{name}'; did you mean '{nearest}'?")


def _declare(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> Any:
    try:
        value = node.declare_parameter(name, default, descriptor).value
    except InvalidParameterTypeException as error:
        given = node._parameter_overrides[name].value
        example = default[0] if isinstance(default, list) else default
        wanted = (
            f"a list of {type(example).__name__}"
            if example is not default
            else (f"a {type(example).__name__}, such as {example!r}")
        )
        raise ParameterError(f"parameter '{name}' must be {wanted}; got {given!r}") from error
    except InvalidParameterValueException as error:
        limits = (descriptor.floating_point_range or descriptor.integer_range)[0]
        raise ParameterError(
            f"parameter '{name}' must be in [{limits.from_value}, {limits.to_value}], "
            f"got {node._parameter_overrides[name].value}"
        ) from error
    if value is None:
        raise ParameterError(
            f"parameter '{name}' got an empty list, which has no type in ROS; write [''] for none"
        )
    return value


def _descriptor(row: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=row["description"], read_only=True)
    if row["choices"]:
        descriptor.additional_constraints = f"One of {', '.join(row['choices'])}."
    if row["within"]:
        low, high = row["within"]
        if isinstance(_default_of(row["name"]), int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
    return descriptor


def _default_of(name: str) -> Any:
    return next(r.default for r in fields(NodeParameters) if r.metadata["name"] == name)


def _fill(template: str, camera: str) -> str:
    return template.replace("{camera}", camera).replace("{CAMERA}", camera.upper())
