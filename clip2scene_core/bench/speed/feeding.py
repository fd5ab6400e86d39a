"""What a step of pre-training waits for: keyframes that are read and paired, and the teacher.

The teacher's embeddings come from the cache, as they do where images are not changed, or from the
frozen CLIP at every step, as in the official code, which crops and mirrors its images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.speed.clock import Duration, interleave, measure
from clip2scene_core.bench.speed.latency import VariantCost, by_stage, costs_of
from clip2scene_core.bench.speed.machine import load_averages
from clip2scene_core.bench.speed.train import Learner
from clip2scene_core.bench.splits import write_split
from clip2scene_core.bench.stages import BenchError
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.open_dataset import open_dataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample
from clip2scene_core.training.pretrain.data.pixel_embeddings import PixelTeacher
from clip2scene_core.training.pretrain.data.samples import PairedSamples
from clip2scene_core.training.pretrain.prepare import prepare_teacher
from clip2scene_core.world.dataset.options import WorldOptions

FEED_STAGES: Final = ("read and pair", "teacher", "train")
FEEDS: Final = ("cache", "cache, images decoded", "live teacher")
"""What is compared; the first one is what the others are compared with."""

_CACHED: Final = ("teacher.occlusion_margin_m=0.5", "consensus.voxel_size_m=0.8")
_LIVE: Final = ("augmentation.image_crop=true", "augmentation.image_flip=true")
_CLIP: Final = "small"
_SEED: Final = 3


@dataclass(frozen=True)
class FeedingResult:
    """Steps of pre-training one student, with the teacher's embeddings from different places.

    Attributes:
        student: Name of the student.
        teacher: Name of the CLIP.
        source: Where the keyframes come from.
        images: Number of images of a step.
        keyframes_per_step: Keyframes in one batch.
        num_steps: Number of different batches, without those that warm up.
        load: Load averages afterwards.
        variants: One for each of FEEDS.
    """

    student: str
    teacher: str
    source: str
    images: int
    keyframes_per_step: int
    num_steps: int
    load: tuple[float, ...]
    variants: tuple[VariantCost, ...]


@dataclass(frozen=True)
class KeyframeSource:
    """Where keyframes with images come from.

    Attributes:
        root: A data set as `open_dataset` reads it; None renders a scene.
        work: Folder for what is rendered and what the teacher says.
        columns: Columns of a rendered sweep of 32 beams.
        image_size: (height, width) of a rendered image, pixels.
    """

    root: Path | None
    work: Path
    columns: int
    image_size: tuple[int, int] = (224, 400)

    def open(self, count: int) -> KeyframeDataset:
        """Open at least this many keyframes.

        Raises:
            BenchError: If there are fewer.
        """
        root = self.root
        if root is None:
            root = self.work / "keyframes"
            options = WorldOptions(
                num_scenes=1,
                seed=_SEED,
                seconds=count / 2,
                image_size=self.image_size,
                lidar_columns=self.columns,
                is_every_frame=False,
                previous_sweeps=0,
            )
            write_split(root, options, lambda done, total: None, 1)
        dataset = open_dataset(root)
        if len(dataset) < count:
            raise BenchError(f"{root} has {len(dataset)} keyframes, the bench needs {count}")
        return dataset

    def describe(self) -> str:
        """Name the source without folders of this machine."""
        if self.root is not None:
            return f"keyframes of {self.root.name}"
        height, width = self.image_size
        return f"rendered keyframes, {self.columns} columns, images of {width} x {height} pixels"


def measure_feeding(
    source: KeyframeSource,
    weights: str,
    num_steps: int,
    keyframes_per_step: int,
    warm_up: int,
) -> FeedingResult:
    """Feed the same keyframes to copies of one student, from the cache and live."""
    count = (warm_up + num_steps) * keyframes_per_step
    dataset = source.open(count)
    student = load_checkpoint(weights).student
    steps: dict[str, Callable[[Sequence[int]], dict[str, Duration]]] = {}
    for feed in FEEDS:
        samples, teacher = _open_samples(dataset, source.work / "teacher", feed)
        steps[feed] = partial(_step, samples, teacher, Learner(student))
    batches = [
        range(first, first + keyframes_per_step) for first in range(0, count, keyframes_per_step)
    ]
    times = {
        feed: by_stage(told, FEED_STAGES)
        for feed, told in interleave(steps, batches, warm_up).items()
    }
    return FeedingResult(
        weights,
        _CLIP,
        source.describe(),
        keyframes_per_step * len(dataset.files(0, ()).images),
        keyframes_per_step,
        num_steps,
        load_averages(),
        tuple(
            VariantCost(feed, costs_of(own, times[FEEDS[0]]), math.nan)
            for feed, own in times.items()
        ),
    )


class _TimedTeacher:
    """Another teacher, and how long it took since the last look.

    Args:
        teacher: The one that is asked.
        reads_pixels: Whether images are decoded for it, asked for or not.
    """

    def __init__(self, teacher: PixelTeacher, reads_pixels: bool) -> None:
        self._teacher, self.reads_pixels = teacher, reads_pixels
        self.duration = Duration(0.0, 0.0)

    def embed_pairs(
        self, sample: PairedSample, is_asked: NDArray[np.bool_] | None = None
    ) -> Tensor:
        found: list[Tensor] = []
        taken = measure(lambda: found.append(self._teacher.embed_pairs(sample, is_asked)))
        self.duration = _add(self.duration, taken)
        return found[0]


def _open_samples(
    dataset: KeyframeDataset, cache: Path, feed: str
) -> tuple[PairedSamples, _TimedTeacher]:
    is_live = feed == "live teacher"
    options = (f"teacher.clip={_CLIP}", *(_LIVE if is_live else _CACHED))
    config = override(PretrainConfig(), options)
    prepared = prepare_teacher(dataset, config, cache, make_fabric(config))
    teacher = _TimedTeacher(prepared.pixels, is_live or feed == "cache, images decoded")
    return PairedSamples(dataset, teacher, config, consensus=prepared.consensus), teacher


def _step(
    samples: PairedSamples, teacher: _TimedTeacher, learner: Learner, keyframes: Sequence[int]
) -> dict[str, Duration]:
    teacher.duration = Duration(0.0, 0.0)
    batches = []
    whole = measure(lambda: batches.append(collate([samples[0, index] for index in keyframes])))
    trained = learner.step(batches[0].points, batches[0].batch_index)
    return {
        "read and pair": _add(whole, teacher.duration, -1),
        "teacher": teacher.duration,
        "train": Duration(
            sum(one.wall_ms for one in trained.values()),
            sum(one.cpu_ms for one in trained.values()),
        ),
    }


def _add(one: Duration, other: Duration, factor: float = 1.0) -> Duration:
    return Duration(one.wall_ms + factor * other.wall_ms, one.cpu_ms + factor * other.cpu_ms)
