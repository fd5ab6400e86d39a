"""Label one sweep as the node does, with a clock between the stages.

The functions called are those of `OnlineSegmenter` in mode "lidar", in its order; a test compares
the labels of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.speed.clock import Duration, measure
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.inference.embedder import PRECISIONS
from clip2scene_core.inference.fusion import EmbeddedSweep, Fusion
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.network.student import (
    find_voxels,
    points_of_voxels,
    run_on_rows,
    run_on_voxels,
)
from clip2scene_core.preprocessing.levelling import GroundTracker
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.preprocessing.reach import is_usable
from clip2scene_core.prompts.vocabulary import classify
from clip2scene_core.sample import Sweep
from clip2scene_core.sparse.voxelize import Voxels

STAGES: Final = ("preprocess", "voxels", "kernel maps", "network", "compare", "map")
_ROWS_AT_ONCE: Final = 1 << 12
_Value = TypeVar("_Value")


class StagedLabeller:
    """A student with a map, whose stages are called one by one.

    Args:
        weights: A student's checkpoint or the name of a shipped one.
        is_folded: Whether norms go into the weights before them, as in every use.
        precision: "fp32" or "bf16".
        per_voxel: Whether the mean of the points in a voxel stands for each of them, as in use.

    Attributes:
        num_voxels: Number of voxels of the last sweep.
        labels: (N,) uint8, labels of the last sweep.
    """

    def __init__(
        self,
        weights: str,
        is_folded: bool = True,
        precision: str = "fp32",
        per_voxel: bool = True,
    ) -> None:
        checkpoint = load_checkpoint(weights)
        self._options = options = OnlineOptions(per_voxel=per_voxel)
        self._segmenter = Segmenter(checkpoint, per_voxel=options.per_voxel)
        student = checkpoint.student
        self._student = fold_norms(student) if is_folded else student.eval().requires_grad_(False)
        self._shares_rows = student.shares_rows or per_voxel
        self._is_rounded = PRECISIONS[precision] is torch.bfloat16
        self._vocabulary = checkpoint.vocabulary
        self._scoring = self._segmenter.scoring(self._vocabulary, options.background)
        self._fusion = Fusion(self._segmenter, None, options.camera_weight)
        self._tracker = GroundTracker(options.ground_smoothing)
        grid = EvidenceGrid(
            options.map_voxel_size_m,
            self._segmenter.span.size,
            options.map_radius_m,
            options.map_max_voxels,
        )
        self._map = SemanticMap(grid, options.map_carving, self._segmenter.span)
        self.num_voxels = 0
        self.labels: NDArray[np.uint8] = np.zeros(0, np.uint8)

    @torch.inference_mode()
    def label(self, sweep: Sweep) -> dict[str, Duration]:
        """Label one sweep with a known pose, add it to the map; give the time of each stage."""
        times: dict[str, Duration] = {}
        inside, told = self._timed("preprocess", times, lambda: self._preprocess(sweep))
        points = torch.from_numpy(np.ascontiguousarray(told))
        batch_index = torch.zeros(len(points), dtype=torch.int64)
        config = self._student.config
        voxels = self._timed("voxels", times, lambda: find_voxels(config, points, batch_index))
        self._timed(
            "kernel maps",
            times,
            lambda: build_maps(points_of_voxels(config, voxels) if self._shares_rows else voxels),
        )
        embedded = self._timed("network", times, lambda: self._embed(points, voxels))
        by_text, labels = self._timed("compare", times, lambda: self._compare(embedded))
        self._timed("map", times, lambda: self._add(sweep, inside, embedded, by_text))
        self.num_voxels = len(voxels.level)
        self.labels = np.full(len(sweep.points), IGNORE_LABEL, np.uint8)
        self.labels[inside] = labels
        return times

    def _timed(self, stage: str, times: dict[str, Duration], work: Callable[[], _Value]) -> _Value:
        values: list[_Value] = []
        times[stage] = measure(lambda: values.append(work()))
        return values[0]

    def _preprocess(self, sweep: Sweep) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        options = self._options
        reach = (options.min_range_m, options.ego_radius_m, options.max_range_m)
        inside = is_usable(sweep.points, *reach, T_base_lidar=sweep.T_base_lidar)
        told = preprocess(
            sweep.points[inside], self._segmenter.input, sweep.T_base_lidar, self._tracker
        )
        return inside, told.points

    def _embed(self, points: Tensor, voxels: Voxels) -> EmbeddedSweep:
        student, span = self._student, self._segmenter.span
        run = run_on_rows if self._shares_rows else run_on_voxels
        with torch.autocast("cpu", torch.bfloat16, enabled=self._is_rounded):
            features = run(student.network, student.config, points, voxels)
            coordinates = torch.empty((len(features), span.size))
            for rows, part in zip(
                torch.split(coordinates, _ROWS_AT_ONCE),
                torch.split(features, _ROWS_AT_ONCE),
                strict=True,
            ):
                located = span(part).float()
                lengths = torch.linalg.vector_norm(located, dim=1, keepdim=True)
                torch.div(located, lengths.clamp_(min=1e-12), out=rows)
        row_of_point = voxels.point_to_voxel if self._shares_rows else None
        return EmbeddedSweep(len(points), coordinates, None, row_of_point)

    def _compare(self, embedded: EmbeddedSweep) -> tuple[Tensor, NDArray[np.uint8]]:
        by_text, scored, _ = self._fusion.judge(embedded, self._vocabulary, self._scoring)
        labels, _ = classify(self._vocabulary.merge(by_text), 0.0, scored)
        return by_text, embedded.spread(labels)

    def _add(
        self, sweep: Sweep, inside: NDArray[np.bool_], embedded: EmbeddedSweep, by_text: Tensor
    ) -> None:
        texts, text_of_row = self._vocabulary.embeddings, by_text.argmax(dim=1)
        evidence = self._fusion.gather(embedded, texts, text_of_row)
        points = sweep.points[inside][:, :3]
        self._map.add(points, evidence, sweep.T_global_lidar, sweep.stamp_ns)


def build_maps(voxels: Voxels, num_levels: int = 5) -> None:
    """Build what a U-Net with this many levels looks up: pairs, and the points on SPVCNN's levels.

    They are kept by the voxels, so that the network finds them.
    """
    level = voxels.level
    for depth in range(num_levels):
        _ = level.neighbors
        if depth in (0, num_levels - 3, num_levels - 1):
            voxels.points_on(level.stride)
        if depth < num_levels - 1:
            level = level.downsampling.coarse
