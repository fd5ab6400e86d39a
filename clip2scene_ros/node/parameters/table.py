"""The table of the node's ROS parameters: names, defaults, limits, descriptions and rules.

`live` declares it in a node, `export` writes it as YAML and Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.config.sections import READOUTS
from clip2scene_ros.messages.cloud_layouts import LAYOUTS
from clip2scene_ros.node.parameters.row import parameter, rows_of
from clip2scene_ros.node.parameters.rules import check_together
from clip2scene_ros.sync.intensity import AUTO
from clip2scene_ros.sync.topics import IMAGE_KINDS, NUSCENES_CAMERAS


@dataclass(frozen=True)
class NodeParameters:
    """One set of values that fit together; each field is one row of the table.

    An empty list is [''] or [-1] in ROS, where an empty list has no type.

    Raises:
        ParameterError: If a value is none of its choices, or two values contradict each other.
    """

    prompts: tuple[str, ...] = parameter(
        "prompts",
        (),
        "Texts to look for; the label of a point is an index into them. [''] takes those of "
        "prompts_file or, without one, those that the weights were trained with.",
        dynamic=True,
    )
    prompt_names: tuple[str, ...] = parameter(
        "prompt_names",
        (),
        "Names shown in the legend, one per prompt; [''] takes the prompts themselves. New prompts "
        "alone set it back.",
        dynamic=True,
    )
    prompt_groups: tuple[str, ...] = parameter(
        "prompt_groups",
        (),
        "Several texts with one label, whose probabilities add up: 'vehicle: car | bus | lorry'. "
        "A group takes the place of its first prompt, or comes behind all prompts. New prompts "
        "alone set it back.",
        dynamic=True,
    )
    prompt_template: str = parameter(
        "prompt_template",
        "ensemble",
        "Sentence that CLIP reads, with {} in the prompt's place, or ensemble: the mean of 85.",
        dynamic=True,
    )
    prompts_file: str = parameter(
        "prompts_file",
        "",
        "Prompts for where prompts is [''], read at configure: .txt with a prompt a line, or .yaml "
        "with a list of prompts or with names and, for each, a prompt or a list of them.",
    )
    palette: tuple[int, ...] = parameter(
        "palette",
        (),
        "Red, green, blue of each label, 0 to 255; [-1] takes the built-in colours. New prompts "
        "or groups alone set it back.",
        dynamic=True,
    )
    query: str = parameter(
        "query", "", "A text that every point is compared with, too; '' for none.", dynamic=True
    )
    autostart: bool = parameter(
        "autostart",
        True,
        "Configure and activate at the start; without it a lifecycle manager does.",
    )
    mode: str = parameter(
        "mode",
        "lidar",
        "lidar: the student alone; camera: MaskCLIP projected on the points; fused: both.",
        choices=("lidar", "camera", "fused"),
    )
    weights: str = parameter(
        "weights", "small", "Student (.safetensors), or 'small' or 'large' for a shipped one."
    )
    teacher: str = parameter(
        "teacher",
        "",
        "CLIP: 'small', ARCHITECTURE/TAG or ARCHITECTURE:FILE; '' is the one that taught the "
        "student, in mode camera the shipped one.",
    )
    text_embeddings: str = parameter(
        "text_embeddings",
        "",
        "Table of texts that `clip2scene words --prompts` wrote (.npz): stands in mode lidar for "
        "the teacher, whose CLIP is then not needed for new prompts.",
    )
    device: str = parameter("device", "auto", "auto (a GPU if there is one), cpu, cuda or cuda:N.")
    precision: str = parameter(
        "precision", "fp32", "Arithmetic of the student.", choices=("fp32", "bf16")
    )
    per_voxel: bool = parameter(
        "per_voxel", True, "Label the mean of the points in each voxel: a quarter less time."
    )
    views: int = parameter(
        "views", 1, "Looks at each sweep, turned and mirrored: better, but slower.", within=(1, 64)
    )
    camera_weight: float = parameter(
        "camera_weight", 0.2, "Share of the cameras in mode fused.", within=(0.0, 1.0)
    )
    key_smoothing: bool = parameter(
        "key_smoothing", True, "Smooth what CLIP sees: better labels, twice the time of cameras."
    )
    readout: str = parameter(
        "readout",
        "maskclip",
        "What stands for the last attention of a CLIP with a ViT; method.md compares them.",
        choices=READOUTS,
    )
    window: int = parameter(
        "window", 0, "Edge of windows in which CLIP reads images [px]; 0: none.", within=(0, 4096)
    )
    window_step: int = parameter(
        "window_step", 0, "From one window to the next [px]; 0: half of one.", within=(0, 4096)
    )
    refinement: int = parameter(
        "refinement", 0, "Rounds of refining CLIP's answers by colors; 0: none.", within=(0, 100)
    )
    num_threads: int = parameter(
        "num_threads",
        0,
        "Threads of the CPU arithmetic; 0: half of the processors, the middleware has the rest.",
        within=(0, 256),
    )
    sweeps_at_once: int = parameter(
        "sweeps_at_once", 1, "Sweeps that are labelled side by side.", within=(1, 16)
    )
    min_confidence: float = parameter(
        "min_confidence",
        0.0,
        "Labels with a lower score become unlabelled; own_robot.md tells how to choose it.",
        within=(0.0, 1.0),
        dynamic=True,
    )
    background: bool = parameter(
        "background",
        True,
        "Scores say how the label compares with the student's other words, too: what none of the "
        "prompts names scores low. No label changes by it, except through min_confidence.",
        dynamic=True,
    )
    min_range_m: float = parameter(
        "range.min", 1.0, "Nearer points stay unlabelled [m].", within=(0, 50), dynamic=True
    )
    max_range_m: float = parameter(
        "range.max", 80.0, "Farther points stay unlabelled [m].", within=(1, 1000), dynamic=True
    )
    ego_radius_m: float = parameter(
        "ego_radius",
        1.5,
        "Points above and below this circle around the sensor stay unlabelled: the vehicle [m].",
        within=(0, 5),
        dynamic=True,
    )
    intensity_scale: float | str = parameter(
        "intensity_scale",
        AUTO,
        "The sensor's largest intensity; auto reads 1, 255, 4095 or 65535 off the clouds.",
        within=(1e-6, 1e6),
        choices=(AUTO,),
    )
    intensity_field: str = parameter("intensity_field", "intensity", "Field of the cloud for it.")
    level: str = parameter(
        "level",
        "auto",
        "Turn clouds by extrinsics and ground until z is up: auto as the student was trained.",
        choices=("auto", "on", "off"),
        dynamic=True,
    )
    fixed_frame: str = parameter(
        "fixed_frame", "map", "Frame of the map, in which the vehicle moves: map, or odom."
    )
    base_frame: str = parameter(
        "base_frame", "base_link", "Frame of the vehicle, which the extrinsics refer to."
    )
    sensor_frame: str = parameter(
        "sensor_frame",
        "",
        "Frame of the LiDAR, for clouds in another one, such as base_link or map; '' takes the "
        "cloud's or, if that is no sensor's, looks for the LiDAR's by its name, and says so.",
    )
    pose_source: str = parameter(
        "pose_source",
        "tf",
        "tf: /tf and /tf_static; odometry: nav_msgs/Odometry on 'odom' and extrinsics_file; none: "
        "each sweep by itself, no map.",
        choices=("tf", "odometry", "none"),
    )
    extrinsics_file: str = parameter(
        "extrinsics_file", "", "YAML file of extrinsics, for robots without /tf_static."
    )
    rigid_extrinsics: bool = parameter(
        "rigid_extrinsics",
        True,
        "Sensors do not move on the vehicle: look their extrinsics up once and warn if they "
        "change. false looks them up at the stamps.",
    )
    deskew: bool = parameter(
        "deskew",
        False,
        "Undo the vehicle's motion within a sweep, by the time of each point (time, t, timestamp "
        "or time_stamp). The published points stay as they came.",
    )
    zero_stamp: str = parameter(
        "zero_stamp",
        "reject",
        "Messages with stamp 0: reject them, or stamp them on arrival.",
        choices=("reject", "arrival"),
    )
    stamp_offset_s: float = parameter(
        "stamp_offset", 0.0, "Added to the stamps of clouds [s].", within=(-86400.0, 86400.0)
    )
    cameras: tuple[str, ...] = parameter(
        "cameras",
        NUSCENES_CAMERAS,
        "Camera names for the two topic templates; not used in mode lidar. [''] means none.",
    )
    camera_image_topic: str = parameter(
        "camera_image_topic",
        "/{camera}/image_rect_compressed",
        "Topic of a camera's image; {camera} is its name, {CAMERA} its name in capitals.",
    )
    camera_info_topic: str = parameter(
        "camera_info_topic", "/{camera}/camera_info", "Topic of a camera's CameraInfo, likewise."
    )
    camera_info_url: str = parameter(
        "camera_info_url",
        "",
        "YAML files of camera_info_manager in place of CameraInfo topics: a path, file:// or "
        "package:// URL; ${NAME} or {camera} in it is the camera's name.",
    )
    image_kind: str = parameter(
        "image_kind",
        "auto",
        "rectified: P of CameraInfo; raw: K and D; auto: by their topic (image_rect, image_raw).",
        choices=IMAGE_KINDS,
    )
    frame_overrides: tuple[str, ...] = parameter(
        "frame_overrides",
        (),
        "Frames in place of the headers': points=FRAME, CAMERA=FRAME, or {camera}={camera}_optical "
        "for all cameras. [''] means none.",
    )
    image_transport: str = parameter(
        "image_transport",
        "auto",
        "Type of the images; auto takes that of the first publisher.",
        choices=("auto", "raw", "compressed"),
    )
    sync_tolerance_s: float = parameter(
        "sync.tolerance",
        0.06,
        "An image serves sweeps this near in time [s].",
        within=(0.0, 0.5),
        dynamic=True,
    )
    sync_max_wait_s: float = parameter(
        "sync.max_wait", 0.1, "Time to wait for late images [s].", within=(0.0, 0.5), dynamic=True
    )
    sync_min_cameras: int = parameter(
        "sync.min_cameras",
        0,
        "A sweep with fewer images is labelled by LiDAR alone in mode fused, dropped in mode "
        "camera.",
        within=(0, 100),
        dynamic=True,
    )
    tf_timeout_s: float = parameter(
        "tf_timeout",
        1.0,
        "Time to wait for a pose at or after a sweep [s].",
        within=(0.0, 10.0),
        dynamic=True,
    )
    on_missing_tf: str = parameter(
        "on_missing_tf",
        "drop",
        "A sweep whose pose has not come by then: drop it, or label the single sweep without "
        "cameras and without a place in the map.",
        choices=("drop", "single"),
        dynamic=True,
    )
    map_enabled: bool = parameter("map.enabled", True, "Publish ~/map.")
    map_voxel_size_m: float = parameter(
        "map.voxel_size", 0.2, "Edge of the map's voxels [m].", within=(0.02, 2.0)
    )
    map_radius_m: float = parameter(
        "map.radius",
        60.0,
        "Voxels farther than this leave the map [m].",
        within=(5.0, 500.0),
        dynamic=True,
    )
    map_max_voxels: int = parameter(
        "map.max_voxels",
        500_000,
        "Largest size of the map; the voxels not seen for longest leave. A voxel takes 2 bytes for "
        "each dimension of CLIP's space: 256 with the shipped models, 1024 with OpenAI's ViT-B.",
        within=(1_000, 20_000_000),
    )
    map_decay_s: float = parameter(
        "map.decay",
        0.0,
        "Time in which what was seen loses half of its weight; 0 keeps it [s].",
        within=(0.0, 3600.0),
        dynamic=True,
    )
    map_carving: bool = parameter(
        "map.carving",
        True,
        "Voxels that three later sweeps see through leave the map: the trail of what moves.",
    )
    map_folder: str = parameter("map.folder", "", "Folder that ~/save_map writes to; '' for none.")
    map_save_path: str = parameter(
        "map.save_path",
        "",
        "Name of the file in map.folder that ~/save_map writes: .npz or .ply, without any folder.",
        dynamic=True,
    )
    map_publish_rate_hz: float = parameter(
        "map.publish_rate", 1.0, "Largest rate of ~/map [Hz].", within=(0.1, 10.0), dynamic=True
    )
    output_layout: str = parameter(
        "output.layout",
        "pcl",
        "Fields of ~/points; pcl: x y z intensity rgb label confidence; autoware: x y z class_id "
        "probability entropy.",
        choices=LAYOUTS,
    )
    include_intensity: bool = parameter(
        "output.include_intensity", True, "Keep the input's intensity in layout pcl."
    )
    is_lazy: bool = parameter(
        "output.lazy",
        True,
        "Make only messages that somebody subscribes to and, if there is no map, label only for a "
        "subscriber. Legends and ~/map are latched and never lazy.",
    )
    input_timeout_s: float = parameter(
        "input_timeout",
        2.0,
        "An input that is silent for longer is an error [s].",
        within=(0.1, 60),
        dynamic=True,
    )
    max_processing_ms: float = parameter(
        "max_processing_ms",
        200.0,
        "Diagnostics warn when a sweep takes longer, waiting for images and poses left aside [ms].",
        within=(1.0, 60000.0),
        dynamic=True,
    )
    max_drop_ratio: float = parameter(
        "max_drop_ratio",
        0.5,
        "Diagnostics warn when a larger share of the sweeps is dropped.",
        within=(0.0, 1.0),
        dynamic=True,
    )
    reliability: str = parameter(
        "qos.reliability",
        "auto",
        "Reliability of the sensor subscriptions; auto is reliable until a publisher offers less.",
        choices=("auto", "reliable", "best_effort"),
    )

    def __post_init__(self) -> None:
        for row in ROWS:
            row.check(getattr(self, row.field))
        check_together(self)

    def image_topic(self, camera: str) -> str:
        """Give the topic of a camera's image."""
        return _fill(self.camera_image_topic, camera)

    def info_topic(self, camera: str) -> str:
        """Give the topic of a camera's CameraInfo."""
        return _fill(self.camera_info_topic, camera)


def _fill(template: str, camera: str) -> str:
    return template.replace("{camera}", camera).replace("{CAMERA}", camera.upper())


ROWS: Final = rows_of(NodeParameters)
"""The table, in the order of the fields."""
