"""The student at work: what `preprocess` made of a sweep in, embeddings or logits out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.inference.views import check_views, mean_over_views
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.network.span import EmbeddingSpan
from clip2scene_core.network.student import Student, find_voxels, run_on_rows

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
# Points that go through the head at once: their embeddings stay in the processor's cache, and those
# of a whole cloud never exist where only logits are wanted.
_ROWS_AT_ONCE = 1 << 12

MAX_POINTS_AT_ONCE = 300_000
"""A larger cloud goes through the network in parts, see `interleaved`."""


@dataclass(frozen=True)
class LocatedPoints:
    """Where N points lie in CLIP's space, in the coordinates of an `EmbeddingSpan`.

    Attributes:
        rows: (R, K) float32 of unit length.
        row_of_point: (N,) int64, where points of a voxel share a row; None: row i is point i.
    """

    rows: Tensor
    row_of_point: Tensor | None


def spread(of_rows: Tensor, row_of_point: Tensor | None) -> Tensor:
    """Give each point what its row has: (R, ...) -> (N, ...); see `LocatedPoints`."""
    return of_rows if row_of_point is None else of_rows.index_select(0, row_of_point)


class PointEmbedder:
    """A student in evaluation, on its device, with its norms folded into its weights.

    Clouds of more than MAX_POINTS_AT_ONCE points are taken apart, see `interleaved`.

    Args:
        student: It stays as it is; the embedder has a copy of it as it is now.
        device: Where the copy runs.
        precision: "fp32" or "bf16".
        per_voxel: Whether the mean of the points in a voxel stands for each of them.
        views: How often the network looks at each cloud, see `turn_points`; the mean of the
            features goes through the head.

    Raises:
        ValueError: If the precision is another one, or views are out of range.

    Attributes:
        span: Takes embeddings and texts to the coordinates of `locate`, and back.
    """

    def __init__(
        self,
        student: Student,
        device: torch.device,
        precision: str = "fp32",
        per_voxel: bool = False,
        views: int = 1,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        check_views(views)
        self._device = device
        self._is_rounded = PRECISIONS[precision] is torch.bfloat16
        self._student = fold_norms(student).to(device)
        self._is_per_voxel = per_voxel or student.shares_rows
        self._views = views
        self._shares_rows = self._is_per_voxel and views == 1  # other views have other voxels
        self.span = EmbeddingSpan(student.semantic_head).to(device)

    @torch.inference_mode()
    def embed(self, told: NDArray[np.float32]) -> Tensor:
        """Place points in CLIP's space: (N, 4) -> (N, D) float32 of unit length."""
        located = self.locate(told)
        return spread(self.span.expand(located.rows), located.row_of_point)

    @torch.inference_mode()
    def locate(self, told: NDArray[np.float32]) -> LocatedPoints:
        """Place points (N, 4) in CLIP's space by fewer numbers, and those at one place once."""
        if not self._shares_rows:
            rows = torch.empty((len(told), self.span.size), device=self._device)
            for points, features, _ in self._parts(told):
                self._fill(rows[points], features)
            return LocatedPoints(rows, None)
        row_of_point = torch.empty(len(told), dtype=torch.int64, device=self._device)
        parts: list[Tensor] = []
        num_rows = 0
        for points, features, voxel_of_point in self._parts(told):
            parts.append(torch.empty((len(features), self.span.size), device=self._device))
            self._fill(parts[-1], features)
            assert voxel_of_point is not None
            row_of_point[points] = num_rows + voxel_of_point
            num_rows += len(features)
        return LocatedPoints(torch.cat(parts), row_of_point)

    @torch.inference_mode()
    def logits(self, told: NDArray[np.float32], texts: Tensor, temperature: float) -> Tensor:
        """Compare points with texts without keeping their embeddings.

        Args:
            told: (N, 4) float32, finite.
            texts: (C, D) float32 of unit length.
            temperature: Divides the cosines.

        Returns:
            (N, C) float32.
        """
        columns = self.span.reduce(texts).T / temperature
        logits = torch.empty((len(told), len(texts)), device=self._device)
        for points, features, voxel_of_point in self._parts(told):
            of_rows = torch.empty((len(features), len(texts)), device=self._device)
            for rows, part in self._heads(of_rows, features):
                # The length divides C numbers of a row here, not its K.
                torch.div(part @ columns, _lengths(part), out=rows)
            logits[points] = spread(of_rows, voxel_of_point)
        return logits

    def _parts(self, told: NDArray[np.float32]) -> Iterator[tuple[slice, Tensor, Tensor | None]]:
        """Run the network on each part of a cloud: its points, rows, and the row of each point."""
        for points in interleaved(len(told)):
            sweep = torch.from_numpy(np.ascontiguousarray(told[points])).to(self._device)
            yield points, *self._look(sweep)

    def _look(self, sweep: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features of the rows of a sweep (N, 4), and the row of each point, from all views."""
        if self._views == 1:
            return self._run(sweep)
        return mean_over_views(self._run_on_points, sweep, self._views), None

    def _run_on_points(self, sweep: Tensor) -> Tensor:
        return spread(*self._run(sweep)).float()

    def _run(self, sweep: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features of the rows of a sweep (N, 4), and the row of each point, from one view."""
        student = self._student
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        with self._autocast():
            if not self._is_per_voxel:
                return student.point_features(sweep, batch_index), None
            voxels = find_voxels(student.config, sweep, batch_index)
            features = run_on_rows(student.network, student.config, sweep, voxels)
            return features, voxels.point_to_voxel

    def _fill(self, coordinates: Tensor, features: Tensor) -> None:
        """Write the coordinates (R, K) of unit length of features (R, F)."""
        for rows, part in self._heads(coordinates, features):
            torch.div(part, _lengths(part), out=rows)

    def _heads(self, result: Tensor, features: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of a result and the coordinates (R, K) that belong there, not normalized."""
        all_rows = torch.split(result, _ROWS_AT_ONCE)
        for rows, part in zip(all_rows, torch.split(features, _ROWS_AT_ONCE), strict=True):
            with self._autocast():
                coordinates: Tensor = self.span(part)
            yield rows, coordinates.float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_rounded)


def interleaved(num_points: int) -> list[slice]:
    """Take a large cloud apart, so that memory has a bound.

    Each part is a thinner cloud of the whole scene: of k parts, the first one has the points 0, k,
    2 k and so on. Its points are labelled by what this part shows.

    Args:
        num_points: N.

    Returns:
        Slices of at most MAX_POINTS_AT_ONCE points each; one slice of all points if they are fewer.
    """
    count = max(1, -(-num_points // MAX_POINTS_AT_ONCE))
    return [slice(first, None, count) for first in range(count)]


def _lengths(rows: Tensor) -> Tensor:
    """Lengths (R, 1) of rows (R, K), never zero."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return lengths.clamp_(min=1e-12)
