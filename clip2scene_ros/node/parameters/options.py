"""The node's parameters as options of the segmenter and the synchronizer, prompts and topics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from clip2scene_core.device import use_threads
from clip2scene_core.inference.online import OnlineSegmenter, load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.prompts.prompt_set import PromptSet, load_prompt_set
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_ros.labelling import LEVELS
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.topics import CameraTopics, Profile


def make_segmenter(values: NodeParameters) -> OnlineSegmenter:
    """Load the weights that the parameters name.

    Raises:
        ValueError: If they cannot be used; the message is one line.
        FileNotFoundError: If a file is missing.
    """
    use_threads(values.num_threads)
    return load_online_segmenter(
        values.weights,
        options=online_options(values),
        teacher=values.teacher or None,
        texts=Path(values.text_embeddings) if values.text_embeddings else None,
    )


def online_options(values: NodeParameters) -> OnlineOptions:
    """Convert parameters to the segmenter's options."""
    device = values.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return OnlineOptions(
        mode=values.mode,
        map_enabled=map_period_s(values) is not None,
        map_voxel_size_m=values.map_voxel_size_m,
        map_radius_m=values.map_radius_m,
        map_max_voxels=values.map_max_voxels,
        map_decay_s=values.map_decay_s,
        map_carving=values.map_carving,
        min_range_m=values.min_range_m,
        max_range_m=values.max_range_m,
        ego_radius_m=values.ego_radius_m,
        min_confidence=values.min_confidence,
        background=values.background,
        with_entropies=values.output_layout == "autoware",
        device=device,
        precision=values.precision,
        per_voxel=values.per_voxel,
        views=values.views,
        camera_weight=values.camera_weight,
        key_smoothing=values.key_smoothing,
        readout=values.readout,
        window=values.window,
        window_step=values.window_step,
        refinement=values.refinement,
        level=LEVELS[values.level],
    )


def base_prompt_set(values: NodeParameters, own: Vocabulary) -> PromptSet:
    """Give the prompts that are used when the parameter `prompts` is empty.

    Args:
        values: The node's parameters.
        own: The prompts that the weights were trained with.

    Returns:
        The prompts of `prompts_file` or, without a file, those of the weights.

    Raises:
        ValueError: If the file does not hold prompts.
        OSError: If the file cannot be read.
    """
    if values.prompts_file:
        return load_prompt_set(Path(values.prompts_file))
    texts_of_label = own.texts_of_label or tuple((prompt,) for prompt in own.prompts)
    labels = zip(own.names, texts_of_label, strict=True)
    return PromptSet(
        tuple(texts[0] for texts in texts_of_label),
        own.names,
        tuple(f"{name}: {' | '.join(texts)}" for name, texts in labels if len(texts) > 1),
    )


def asked_prompt_set(values: NodeParameters, base: PromptSet) -> PromptSet:
    """Collect the prompts, groups, names, palette and query that the parameters ask for.

    Args:
        values: The node's parameters.
        base: Prompts that are used when the parameter `prompts` is empty.

    Raises:
        ValueError: If they do not fit together.
    """
    names, groups = values.prompt_names, values.prompt_groups
    if not values.prompts:
        names, groups = names or base.names, groups or base.groups
    return PromptSet(
        values.prompts or base.prompts,
        names,
        groups,
        values.prompt_template,
        values.palette,
        values.query,
    )


def sync_options(values: NodeParameters) -> SyncOptions:
    """Convert parameters to the synchronizer's options."""
    return SyncOptions(
        fixed_frame=values.fixed_frame,
        base_frame=values.base_frame,
        pose_source=values.pose_source,
        cameras=() if values.mode == "lidar" else values.cameras,
        tolerance_s=values.sync_tolerance_s,
        max_wait_s=values.sync_max_wait_s,
        pose_wait_s=values.tf_timeout_s,
        on_missing_pose=values.on_missing_tf,
        sensor_frame=values.sensor_frame,
        intensity_scale=values.intensity_scale,
        intensity_field=values.intensity_field,
        zero_stamp=values.zero_stamp,
        stamp_offset_s=values.stamp_offset_s,
        extrinsics_file=Path(values.extrinsics_file) if values.extrinsics_file else None,
        rigid_extrinsics=values.rigid_extrinsics,
        camera_info_url=values.camera_info_url,
        image_kind=values.image_kind,
        frame_overrides=values.frame_overrides,
        deskew=values.deskew,
    )


def resolved_topics(values: NodeParameters, resolve: Callable[[str], str]) -> Profile:
    """Collect the absolute names of the topics; `resolve` applies namespace and remapping."""
    cameras = {
        camera: CameraTopics(
            resolve(values.image_topic(camera)), resolve(values.info_topic(camera))
        )
        for camera in values.cameras
    }
    return Profile("node", resolve("points"), cameras, resolve("odom"))


def map_period_s(values: NodeParameters) -> float | None:
    """Least time between two maps in seconds; None without a map."""
    if not values.map_enabled or values.pose_source == "none":
        return None
    return 1 / values.map_publish_rate_hz
