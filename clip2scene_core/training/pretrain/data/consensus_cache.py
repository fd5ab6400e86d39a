"""Consensus on disk: computed once for each sequence of a data set, read in every epoch."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data.consensus import GRID_SHIFTS, Consensus, Votes
from clip2scene_core.training.pretrain.data.paired_sample import pair_points
from clip2scene_core.training.pretrain.data.pixel_embeddings import CachedTeacher
from clip2scene_core.training.pretrain.data.student_votes import StudentVotes

_VOTING: Final = 2
"""Counts the ways in which pixels vote: votes of another are not found. Raise it when a change
gives the same embeddings other votes."""


class ConsensusCache:
    """One consensus file for each sequence, in a folder for each set of parameters.

    The name of the folder is a digest of the teacher, the prompts and everything else that decides
    the votes. The name of a file is a digest of the sequence: images, points, poses, calibration
    and stamps of its keyframes. A file appears only when it is complete. So interrupted work can
    resume, and any number of processes can share it.

    Args:
        root: Folder of the teacher's embeddings. Its name identifies the teacher.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        logit_scale: Inverse temperature of the teacher.
        config: Voxels, movable classes, ranges and occlusion.
        digests: Of the data set that the sequences are of.
        voter: `StudentVotes.identity` of the student that votes beside the cameras; empty: they
            vote alone.

    Raises:
        ValueError: If the config asks for no consensus.

    Attributes:
        folder: Folder of these parameters.
    """

    def __init__(
        self,
        root: Path,
        text: Tensor,
        logit_scale: float,
        config: PretrainConfig,
        digests: KeyframeDigests,
        voter: str = "",
    ) -> None:
        if not config.consensus.voxel_size_m:
            raise ValueError("consensus.voxel_size_m is 0: the config asks for no consensus")
        self._text, self._logit_scale, self._digests = text, logit_scale, digests
        self._config, self._voter = config, voter
        voting = asdict(config.consensus)
        for key in ("object_gap_m", "object_size_m", "ground"):  # decide labels, but no votes
            del voting[key]
        settings = [
            _VOTING, GRID_SHIFTS, logit_scale, voting, config.class_of_text,
            config.sweeps.min_range_m, config.sweeps.max_range_m,
            config.teacher.occlusion_margin_m, voter,
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(settings).encode())
        digest.update(text.numpy().tobytes())
        self.folder = root / f"consensus-{digest.hexdigest()[:16]}"

    def holds(self, scene_token: str) -> bool:
        """Tell whether the consensus of a sequence is on disk."""
        return self._path(scene_token).is_file()

    def add(
        self,
        dataset: KeyframeDataset,
        keyframes: Sequence[int],
        teacher: CachedTeacher,
        student: StudentVotes | None = None,
    ) -> None:
        """Compute the consensus of a sequence, and write it.

        Only the sweeps of the keyframes vote, each point where the LiDAR measured it: levelled
        clouds would not meet in the global frame.

        Args:
            dataset: Data set, opened with images.
            keyframes: Indices of all keyframes of one sequence.
            teacher: Cache with the embeddings of these keyframes.
            student: The voter beside it. It is not kept: processes that read keyframes do not
                need its network.
        """
        assert self._voter == ("" if student is None else student.identity)
        is_movable = np.isin(self._config.class_of_text, self._config.consensus.movable)
        votes = Votes(self._config.consensus.voxel_size_m, is_movable, self._logit_scale)
        for index in keyframes:
            sample = dataset.load(index, (), with_pixels=False)
            paired = pair_points(sample, self._config)
            points = paired.clouds[0][paired.point_index, :3]
            cosines = (teacher.embed_pairs(paired) @ self._text.T).numpy()
            if student is not None:
                cosines += student.of(paired.clouds[0])[paired.point_index]
            keyframe = sample.keyframe
            votes.add(transform_points(keyframe.T_global_lidar, points), cosines, keyframe.stamp_ns)
        path = self._path(dataset.scene_token(keyframes[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez(file, **asdict(votes.count()))

    def read(self, scene_token: str) -> Consensus:
        """Read the consensus of a sequence.

        Raises:
            FileNotFoundError: If there is no file.
            ValueError: If the file is damaged.
        """
        path = self._path(scene_token)
        try:
            with np.load(path) as file:
                values = {field.name: file[field.name] for field in fields(Consensus)}
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: damaged consensus ({error}); delete the file") from error
        numbers = {key: float(values[key]) for key in ("voxel_size_m", "logit_scale")}
        return Consensus(**(values | numbers))

    def _path(self, scene_token: str) -> Path:
        return self.folder / f"{self._digests.scene(scene_token)}.npz"


def fill_consensus(
    cache: ConsensusCache,
    dataset: KeyframeDataset,
    teacher: CachedTeacher,
    rank: int,
    world_size: int,
    report: Callable[[int, int], None],
    student: StudentVotes | None = None,
) -> None:
    """Compute the consensus of the sequences that a cache lacks.

    Args:
        cache: Cache to fill.
        dataset: Data set, opened with images.
        teacher: Cache with the embeddings of all keyframes.
        rank: Number of this process. It takes every world_size-th sequence, beginning with this
            number.
        world_size: Number of processes.
        report: Called after each sequence with the number of sequences done and in total.
        student: The voter beside the teacher; None: there is none.
    """
    by_scene: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        by_scene.setdefault(dataset.scene_token(index), []).append(index)
    share = list(by_scene.items())[rank::world_size]
    for number, (scene_token, keyframes) in enumerate(share, start=1):
        if not cache.holds(scene_token):
            cache.add(dataset, keyframes, teacher, student)
        report(number, len(share))
