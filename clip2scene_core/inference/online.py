"""Sequences: sweeps and camera views in, labelled clouds and a labelled map out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.inference.camera_segmenter import CameraSegmenter, make_camera_segmenter
from clip2scene_core.inference.fusion import Fusion
from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.map_thread import MapThread
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.own_classes import OwnClasses, load_own_classes
from clip2scene_core.inference.prepared_sweep import AnsweredSweep, PreparedSweep, answer
from clip2scene_core.inference.segmenter import Segmenter, make_segmenter
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.mapping.labelled_map import LabelledMap, check_map_path, save_map
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.levelling import GroundTracker
from clip2scene_core.preprocessing.network_input import NetworkInput, levelled_as, preprocess
from clip2scene_core.preprocessing.reach import is_usable
from clip2scene_core.preprocessing.statistics import list_left_out, list_oddities
from clip2scene_core.prompts.prompt_set import (
    EmbedPrompts,
    EncodedPrompts,
    PromptSet,
    Query,
    as_prompt_set,
    encode_prompt_set,
)
from clip2scene_core.prompts.scoring import Scoring
from clip2scene_core.prompts.text_encoder import KnownPrompts, TextEncoder, load_text_table
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep


class MissingCamerasError(ValueError):
    """A mode that labels by cameras was given none."""


class OnlineSegmenter:
    """Labels sweeps one by one and keeps a map of what surrounds the vehicle.

    Each sweep is labelled on its own: feeding merged sweeps to the network scores lower than single
    ones (CLIP2Scene, CVPR 2023, Table 1), so time enters through the map.

    Prompts and options may be changed from another thread while `segment` runs; a sweep is labelled
    with the same ones from beginning to end.

    Args:
        options: How to label.
        vocabulary: The first prompts, encoded.
        embed_prompts: The text side of the CLIP that taught the student.
        segmenter: The student; needed in modes "lidar" and "fused".
        camera_segmenter: The teacher; needed in modes "camera" and "fused".

    Raises:
        ValueError: If the mode needs a segmenter that is not given.

    Attributes:
        input: What the student is told of a sweep; None without one.
        reads_colors: Whether a student labels that reads colors, so points must be (N, 7).

    Example:
        >>> import numpy as np
        >>> from clip2scene_core import CameraView, OnlineOptions, Sweep, load_online_segmenter
        >>> options = OnlineOptions(mode="fused")
        >>> segmenter = load_online_segmenter("small", prompts=["car", "road"], options=options)
        >>> isinstance(segmenter, OnlineSegmenter)
        True
        >>> T_global_camera = np.eye(4)[[2, 0, 1, 3]]  # looks along x: x right, y down, z forward
        >>> T_global_camera[1:3, :3] *= -1
        >>> intrinsics = np.array([[100.0, 0, 200], [0, 100.0, 112], [0, 0, 1]])
        >>> image = np.full((224, 400, 3), 128, np.uint8)
        >>> view = CameraView("cam_front", image, intrinsics, T_global_camera, stamp_ns=0)
        >>> points = np.array([[5.0, 0.5, -1.0, 0.1], [-9.0, 0.0, -1.0, 0.3]], np.float32)
        >>> cloud = segmenter.segment(Sweep(points, np.eye(4), stamp_ns=0), [view])
        >>> bool((cloud.labels < 2).all())
        True
    """

    def __init__(
        self,
        options: OnlineOptions,
        vocabulary: Vocabulary,
        embed_prompts: EmbedPrompts,
        segmenter: Segmenter | OwnClasses | None = None,
        camera_segmenter: CameraSegmenter | None = None,
    ) -> None:
        if options.mode != "camera" and segmenter is None:
            raise ValueError(f"mode {options.mode!r} needs a student; give `segmenter`")
        if options.mode != "lidar" and camera_segmenter is None:
            raise ValueError(f"mode {options.mode!r} needs a teacher; give `camera_segmenter`")
        self._segmenter = segmenter
        self.reads_colors = segmenter is not None and segmenter.reads_colors
        encoded = EncodedPrompts(vocabulary)
        # One tuple, so that a sweep never sees new prompts with old options.
        self._setting = (encoded, options, self._scoring(vocabulary, options))
        self._embed_prompts = embed_prompts
        self._fusion = Fusion(segmenter, camera_segmenter, options.camera_weight)
        self.input = None if segmenter is None else segmenter.input
        self._ground_tracker = GroundTracker(options.ground_smoothing)
        self._num_resets, self._reset_lock = 0, threading.Lock()
        self._map = None
        if options.map_enabled:
            span = self._fusion.span
            grid = EvidenceGrid(
                options.map_voxel_size_m,
                vocabulary.embeddings.shape[1] if span is None else span.size,
                options.map_radius_m,
                options.map_max_voxels,
                options.map_decay_s,
            )
            self._map = SemanticMap(grid, options.map_carving, span)
            self._map_thread = MapThread(self._map, self._fusion)

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names; label i of the next sweep means name i."""
        return self.vocabulary.names

    @property
    def vocabulary(self) -> Vocabulary:
        """The labels of the next sweep: names, prompts, colors and text embeddings."""
        return self._setting[0].vocabulary

    @property
    def options(self) -> OnlineOptions:
        """How the next sweep is labelled."""
        return self._setting[1]

    @property
    def ground(self) -> Ground | None:
        """The ground of the last sweep, smoothed; None if there is none, or no levelling."""
        return self._ground_tracker.ground

    @property
    def encoded_prompts(self) -> EncodedPrompts:
        """What the next sweep is compared with."""
        return self._setting[0]

    def encode(self, prompt_set: PromptSet) -> EncodedPrompts:
        """Let CLIP read a prompt set, and change nothing yet.

        The segmenter's first prompts cost nothing: their embeddings are at hand without CLIP.

        Raises:
            ValueError: If a text is empty, too long or unknown to the CLIP, or names occur twice.
            OSError: If the CLIP's file is missing.
        """
        return encode_prompt_set(prompt_set, self._embed_prompts)

    def apply(self, encoded: EncodedPrompts, options: OnlineOptions | None = None) -> None:
        """Label the map at once and all sweeps to come with these prompts and options.

        Args:
            encoded: From `encode`.
            options: By default those in use. Mode, device, precision, voxels, key smoothing, prompt
                denoising, camera weight, ground smoothing and of the map all but radius and decay
                count at the construction only.
        """
        options = options or self.options
        if self._map is not None:
            self._map.keep(options.map_radius_m, options.map_decay_s)
        self._setting = (encoded, options, self._scoring(encoded.vocabulary, options))

    def _scoring(self, vocabulary: Vocabulary, options: OnlineOptions) -> Scoring:
        if self._segmenter is None or options.mode == "camera":
            return Scoring(vocabulary.embeddings[:0])
        return self._segmenter.scoring(vocabulary, options.background)

    def set_prompts(
        self, prompts: Sequence[str] | PromptSet, names: Sequence[str] | None = None
    ) -> Vocabulary:
        """Change the prompts of the next sweep and, at once, of the whole map.

        Args:
            prompts: C texts, or a PromptSet.
            names: C distinct names, by default the prompts.

        Returns:
            The new vocabulary.

        Raises:
            ValueError: If a prompt is empty, too long or unknown to the CLIP, or names do not fit.
                The old prompts stay.
        """
        encoded = self.encode(as_prompt_set(prompts, names))
        self.apply(replace(encoded, query=self._setting[0].query))
        return encoded.vocabulary

    def set_query(self, text: str) -> None:
        """Compare the points of the next sweeps with a text, too; an empty one ends that.

        Raises:
            ValueError: If the text is too long or unknown to the CLIP. The old query stays.
        """
        text = text.strip()
        query = Query(text, self._embed_prompts([text])[0]) if text else None
        self.apply(EncodedPrompts(self.vocabulary, query))

    def segment(self, sweep: Sweep, cameras: Sequence[CameraView] = ()) -> LabelledCloud:
        """Label one sweep, and begin to add it to the map, if its pose is known.

        Args:
            sweep: N points; `T_global_lidar` holds T_fixed_lidar. Points that are not finite or out
                of range stay in place, unlabelled; their intensity need not be finite.
                `T_base_lidar` says which way is up: for the robot's own circle and, if the student
                levels, for the network.
            cameras: Views around the sweep's stamp, poses in the same fixed frame. Unused in mode
                "lidar".

        Returns:
            N labels in the order of the points.

        Raises:
            MissingCamerasError: In mode "camera" without cameras.
            ValueError: If `T_base_lidar` holds no rotation.
        """
        return self.complete(self.answer(self.prepare(sweep, cameras)))

    def prepare(self, sweep: Sweep, cameras: Sequence[CameraView] = ()) -> PreparedSweep:
        """Take the first of the three steps of `segment`, in the order of the sweeps.

        Its arguments and errors are those of `segment`. `SweepPipeline` takes the three steps.
        """
        encoded, options, scoring = self._setting
        if options.mode == "camera" and not cameras:
            raise MissingCamerasError("mode 'camera' labels by cameras, but none was given")
        num_resets = self._num_resets
        reach = (options.min_range_m, options.ego_radius_m, options.max_range_m)
        usable = is_usable(sweep.points, *reach, T_base_lidar=sweep.T_base_lidar)
        inside = replace(sweep, points=sweep.points[usable], labels=None)
        told, notes = self._preprocess(inside, options)
        notes = (*list_left_out(sweep.points, reach, sweep.T_base_lidar), *notes)
        return PreparedSweep(
            sweep, usable, inside, cameras, told, notes, encoded, options, scoring, num_resets
        )

    def answer(self, prepared: PreparedSweep) -> AnsweredSweep:
        """Take the second step, which takes the time; several threads may do so at once."""
        return answer(prepared, self._fusion)

    def complete(self, answered: AnsweredSweep) -> LabelledCloud:
        """Take the third step, in the order of the sweeps: begin to add the sweep to the map."""
        prepared = answered.prepared
        with self._reset_lock:
            is_current = prepared.num_resets == self._num_resets
            if self._map is not None and prepared.sweep.is_located and is_current:
                self._map_thread.take_up(
                    prepared.inside,
                    answered.embedded,
                    prepared.encoded.vocabulary,
                    answered.text_probabilities,
                )
        return answered.cloud

    def _preprocess(
        self, sweep: Sweep, options: OnlineOptions
    ) -> tuple[NetworkInput, tuple[str, ...]]:
        """Make what the student is told of a sweep of usable points, and note what is odd."""
        if self.input is None:
            return NetworkInput(sweep.points), ()
        config = levelled_as(self.input, options.level)
        told = preprocess(sweep.points, config, sweep.T_base_lidar, self._ground_tracker)
        return told, list_oddities(sweep.points, config, told.ground)

    def map(self) -> LabelledMap:
        """The voxels around the vehicle, of all sweeps so far, labelled with the newest prompts.

        Raises:
            ValueError: If the options keep no map.
        """
        if self._map is None:
            raise ValueError("there is no map: OnlineOptions.map_enabled is False")
        self._map_thread.wait()
        encoded, options, scoring = self._setting
        return self._map.label(encoded.vocabulary, options.min_confidence, scoring)

    def save_map(self, path: Path) -> LabelledMap:
        """Write the map as it is now; see `clip2scene_core.mapping.labelled_map.save_map`.

        Args:
            path: Ends in .npz or .ply; its folder exists.

        Returns:
            What was written.

        Raises:
            ValueError: If the suffix is another one, the map is empty, or there is none.
            OSError: If the file cannot be written.
        """
        check_map_path(path)
        labelled_map = self.map()
        save_map(labelled_map, path)
        return labelled_map

    def reset(self) -> None:
        """Forget the map and the ground, for example after a jump in time.

        A sweep that is being labelled meanwhile does not enter the new map.
        """
        with self._reset_lock:
            self._num_resets += 1
            self._ground_tracker.reset()
            if self._map is not None:
                self._map_thread.wait()
                self._map.clear()


def load_online_segmenter(
    weights: Path | str = "small",
    prompts: Sequence[str] | PromptSet | None = None,
    *,
    options: OnlineOptions | None = None,
    teacher: str | None = None,
    texts: Path | None = None,
) -> OnlineSegmenter:
    """Load what labels sequences, with or without cameras, and say what to look for.

    In mode "lidar" the CLIP is loaded only when prompts change: the checkpoint carries its own.

    Args:
        weights: A student checkpoint, "small" for the shipped one, or in mode "lidar" a fine-tuned
            network, whose prompts are its classes. Mode "camera" needs none.
        prompts: C texts or a PromptSet; by default the student's own, in mode "camera" those of
            nuScenes' 16 classes.
        options: Mode ("lidar", "camera" or "fused"), map, ranges, device.
        teacher: A CLIP as `load_clip` names it; by default the one that taught the student, in mode
            "camera" the shipped one.
        texts: File of a `TextTable` in place of the CLIP, in mode "lidar".

    Returns:
        The segmenter.

    Raises:
        ValueError: If weights, teacher, options or prompts cannot be used; one line says why.
        FileNotFoundError: If the CLIP's file is missing.

    Example:
        >>> import numpy as np
        >>> from clip2scene_core import Sweep
        >>> segmenter = load_online_segmenter("small", prompts=["car", "road"])
        >>> points = np.array([[5.0, 1.0, -1.8, 0.1], [9.0, 0.0, -1.0, 0.3]], np.float32)
        >>> cloud = segmenter.segment(Sweep(points, np.eye(4), stamp_ns=0))
        >>> cloud.labels.shape, len(segmenter.map().points)
        ((2,), 2)
        >>> _ = segmenter.set_prompts(["vehicle", "lawn"])
        >>> segmenter.class_names, segmenter.map().vocabulary.names
        (('vehicle', 'lawn'), ('vehicle', 'lawn'))
    """
    options = options or OnlineOptions()
    if own := load_own_classes(weights, prompts, options, teacher, texts):
        return OnlineSegmenter(options, own.chosen, own.embed_prompts, own)
    if options.mode == "camera":
        encoder = TextEncoder(teacher or "small", options.device)
        segmenter = vocabulary = None
    else:
        checkpoint = load_checkpoint(weights)
        vocabulary, segmenter = checkpoint.vocabulary, make_segmenter(checkpoint, options)
        clip_name = teacher or checkpoint.config.teacher.clip
        encoder = TextEncoder(clip_name, options.device, taught_with=vocabulary)
    embed_prompts: EmbedPrompts = encoder
    if texts is not None:
        if vocabulary is None or options.mode != "lidar" or teacher is not None:
            raise ValueError(
                f"{texts}: a table of texts is for mode 'lidar' without a teacher; modes 'camera' "
                f"and 'fused' need the CLIP itself"
            )
        embed_prompts = load_text_table(texts, vocabulary)
    if vocabulary is not None:
        embed_prompts = KnownPrompts(vocabulary, embed_prompts)
    if teacher is not None:
        _ = encoder.clip  # a CLIP that was asked for by name is not found missing half-way
    if prompts is not None:
        vocabulary = encode_prompt_set(as_prompt_set(prompts), embed_prompts).vocabulary
    elif vocabulary is None:
        names = tuple(c.name for c in NUSCENES_CLASSES)
        prompt_set = PromptSet(tuple(c.prompt for c in NUSCENES_CLASSES), names)
        vocabulary = encode_prompt_set(prompt_set, encoder).vocabulary
    camera_segmenter = None
    if options.mode != "lidar":
        camera_segmenter = make_camera_segmenter(encoder.clip, options)
    return OnlineSegmenter(options, vocabulary, embed_prompts, segmenter, camera_segmenter)
