"""Label a sample in every mode: it is embedded once, then compared with any prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.datasets import Sample, Sweep
from clip2scene_core.inference.camera_segmenter import (
    DEFAULT_OCCLUSION_MARGIN_M,
    CameraSegmenter,
    PairedEmbeddings,
)
from clip2scene_core.inference.fusion import fuse
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary, classify, make_vocabulary
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.training.pretrain.prepare import dense_clip_of


@dataclass(frozen=True)
class Look:
    """Embeddings of one sample, before they are compared with prompts.

    Attributes:
        finite: (N,) bool, True for the M points whose values are finite.
        embeddings: (M, D) float32 of unit length from each student.
        paired: Embeddings of the pixels that show the M points, from the teacher.
    """

    finite: NDArray[np.bool_]
    embeddings: tuple[Tensor, ...]
    paired: PairedEmbeddings


class Labeller:
    """Students and their teacher, which label as the online segmenter does.

    Args:
        checkpoints: Students of one configuration that differ by their seeds. The configuration
            says which CLIP is the teacher and how it reads images.
        scales: Multiples of CLIP's image height at which cameras are read, see `DenseClip`.

    Raises:
        ValueError: If the teacher cannot be loaded or did not teach the first student.
        FileNotFoundError: If the teacher's file is missing.
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], scales: Sequence[float] = (1.0,)) -> None:
        first = checkpoints[0]
        teacher = replace(first.config.teacher, scales=tuple(scales))
        self.vocabulary = first.vocabulary
        self._embed_prompts = TextEncoder(teacher.clip, taught_with=first.vocabulary)
        self._segmenters = [Segmenter(checkpoint) for checkpoint in checkpoints]
        self._camera_segmenter = camera_segmenter_of(teacher, self._embed_prompts.clip)
        self._camera_weight = OnlineOptions().camera_weight

    def embed(self, prompts: tuple[str, ...]) -> Vocabulary:
        """Make a vocabulary of prompts, which need not differ; each is a text or several with bars.

        Of several texts the best one counts: the sum would favor prompts with many.

        Raises:
            ValueError: If the CLIP does not know a prompt.
        """
        names = tuple(f"{number} {prompt}" for number, prompt in enumerate(prompts))
        texts_of_label = [tuple(text.strip() for text in p.split("|")) for p in prompts]
        texts = [text for texts in texts_of_label for text in texts]
        return make_vocabulary(
            prompts, self._embed_prompts(texts), names, texts_of_label, grouping="max"
        )

    def look(self, sample: Sample) -> Look:
        """Embed the N points of a sample's keyframe and the pixels that show them."""
        points = sample.keyframe.points
        finite = np.asarray(np.isfinite(points[:, :3]).all(axis=1))
        keyframe = Sweep(points[finite], sample.keyframe.T_global_lidar, sample.keyframe.stamp_ns)
        return Look(
            finite,
            tuple(segmenter.embed(keyframe.points) for segmenter in self._segmenters),
            self._camera_segmenter.embed_pairs([keyframe], sample.cameras),
        )

    def label(self, look: Look, vocabulary: Vocabulary) -> dict[str, NDArray[np.uint8]]:
        """Label with a vocabulary in each mode of the segmenter.

        Args:
            look: Embeddings of a sample with N points.
            vocabulary: C prompts.

        Returns:
            Labels (N,) uint8 by mode: "camera", "lidar 0", "fused 0", "lidar 1" and so on, see
            `mode_of`. IGNORE_LABEL where a point is not finite and, in mode "camera", where no
            camera sees the point.
        """
        num_points = int(look.finite.sum())
        camera, in_view = self._camera_segmenter.compare(
            look.paired, num_points, vocabulary.embeddings
        )
        probabilities = {"camera": camera}
        for number, embeddings in enumerate(look.embeddings):
            student = self._segmenters[number].compare(embeddings, vocabulary.embeddings)
            fused = fuse(student, camera, in_view, self._camera_weight)
            probabilities |= {mode_of("lidar", number): student, mode_of("fused", number): fused}
        labels = {mode: np.full(len(look.finite), IGNORE_LABEL, np.uint8) for mode in probabilities}
        for mode, of_mode in probabilities.items():
            labels[mode][look.finite] = classify(vocabulary.merge(of_mode))[0]
        labels["camera"][np.flatnonzero(look.finite)[~in_view]] = IGNORE_LABEL
        return labels


def camera_segmenter_of(teacher: TeacherConfig, clip: Clip) -> CameraSegmenter:
    """Make the segmenter of the teacher alone, with the default occlusion margin if it has none."""
    margin_m = teacher.occlusion_margin_m
    return CameraSegmenter(
        dense_clip_of(teacher, clip), DEFAULT_OCCLUSION_MARGIN_M if margin_m is None else margin_m
    )


def mode_of(mode: str, number: int) -> str:
    """Name a mode and the number of its student; mode "camera" has no student."""
    return mode if mode == "camera" else f"{mode} {number}"
