"""A rolling voxel grid in the fixed frame that gathers evidence."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.mapping.evidence import Evidence

_AXIS_BITS = 21
_AXIS_OFFSET = 1 << (_AXIS_BITS - 1)
_AXIS_MASK = (1 << _AXIS_BITS) - 1
# Cells from the anchor to the vehicle at which the anchor moves: half of what a key holds.
_MAX_DRIFT = _AXIS_OFFSET // 2

# Upper limit of a weight, so that a changed voxel gets its new label after at most as many points.
# Also, float16 cannot hold a change of less than 1/1000.
_MAX_WEIGHT = 100.0
_MIN_WEIGHT = 0.05
PASSES_UNTIL_FREE = 3
"""Number of sweeps that must see through a voxel to drop it; a single sweep can have a bad pose."""
_ROWS_AT_ONCE = 1 << 11  # small enough for the processor's cache


class EvidenceGrid:
    """Occupied voxels around the vehicle, each with the weighted mean evidence of its points.

    The evidence of a point is a vector whose product with a text embedding is a logit (see
    `evidence.py`). So the mean vector, in float16, gives the mean logit for any prompt at any later
    time. Memory for `max_voxels` is allocated at once and does not grow.

    Args:
        voxel_size_m: Edge of a voxel, metres.
        embedding_size: D, numbers of a vector of evidence.
        radius_m: Voxels farther from the vehicle are dropped, metres.
        max_voxels: Maximum number of voxels; those not seen for the longest time are dropped.
        decay_s: Half-life of the weight of evidence, seconds; 0 means no decay.

    Attributes:
        voxel_size_m: Edge of a voxel, metres.
        max_voxels: Maximum number of voxels.

    Raises:
        ValueError: If a size is not positive, or the radius is more voxels than a key holds.
    """

    def __init__(
        self,
        voxel_size_m: float,
        embedding_size: int,
        radius_m: float = 60.0,
        max_voxels: int = 500_000,
        decay_s: float = 0.0,
    ) -> None:
        if not (voxel_size_m > 0 and max_voxels >= 1):
            raise ValueError(
                f"voxel_size_m must be positive and max_voxels at least 1, got {voxel_size_m} and "
                f"{max_voxels}"
            )
        self.voxel_size_m = voxel_size_m
        self.keep(radius_m, decay_s)
        self.max_voxels = max_voxels
        # Sorted keys, with the slot of each voxel in the arrays below: a new voxel moves keys and
        # slots, but no embeddings.
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._slots: NDArray[np.int32] = np.zeros(0, np.int32)
        self._free: NDArray[np.int32] = np.arange(max_voxels, dtype=np.int32)[::-1].copy()
        # Zeros, because a new slot must be finite. NumPy does not write the zeros; torch would.
        self._means = torch.from_numpy(np.zeros((max_voxels, embedding_size), np.float16))
        self._weights: NDArray[np.float32] = np.empty(max_voxels, np.float32)
        self._counts: NDArray[np.int64] = np.empty(max_voxels, np.int64)
        self._seen_ns: NDArray[np.int64] = np.empty(max_voxels, np.int64)
        self._passes: NDArray[np.uint8] = np.empty(max_voxels, np.uint8)
        self._is_changed: NDArray[np.bool_] = np.zeros(max_voxels, np.bool_)
        self._anchor: NDArray[np.int64] = np.zeros(3, np.int64)

    def keep(self, radius_m: float, decay_s: float) -> None:
        """Set the radius, metres, and the half-life, seconds, from now on; see the class.

        Raises:
            ValueError: As in `check_keep`; the old values stay valid.
        """
        self.check_keep(radius_m, decay_s)
        self._radius_m = radius_m
        self._decay_s = decay_s

    def check_keep(self, radius_m: float, decay_s: float) -> None:
        """Check the arguments of `keep`.

        Raises:
            ValueError: If radius_m is not positive, or is more voxels than a key holds, or decay_s
                is negative.
        """
        if not (radius_m > 0 and decay_s >= 0):
            raise ValueError(
                f"radius_m must be positive and decay_s not negative, got {radius_m} and {decay_s}"
            )
        if radius_m / self.voxel_size_m > _MAX_DRIFT - 2:
            raise ValueError(
                f"a radius of {radius_m} m is {radius_m / self.voxel_size_m:.0f} voxels, the grid "
                f"holds {_MAX_DRIFT - 2}; use larger voxels"
            )

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Bytes of memory for `max_voxels`."""
        arrays = (
            self._weights, self._counts, self._seen_ns, self._passes, self._is_changed, self._free,
        )  # fmt: skip
        return self._means.nbytes + sum(array.nbytes for array in arrays)

    def add(
        self,
        points_fixed: NDArray[np.float64],
        evidence: Evidence,
        origin_fixed: NDArray[np.float64],
        stamp_ns: int,
    ) -> None:
        """Add the evidence of one sweep; points beyond the radius are left out.

        Args:
            points_fixed: (N, 3) float64, metres, fixed frame.
            evidence: Evidence of the same N points; those with weight 0 are left out.
            origin_fixed: (3,) float64, position of the LiDAR, metres, fixed frame.
            stamp_ns: Time of the sweep, nanoseconds.
        """
        # Keys are relative to an anchor near the vehicle: UTM coordinates are thousands of km.
        self._follow(np.floor(origin_fixed / self.voxel_size_m).astype(np.int64))
        square_m2 = ((points_fixed - origin_fixed) ** 2).sum(axis=1)
        weights = evidence.weights
        if evidence.row_of_point is not None:
            weights = weights.index_select(0, evidence.row_of_point)
        near = np.flatnonzero((square_m2 <= self._radius_m**2) & (weights.numpy() > 0))
        cells = np.floor(points_fixed[near] / self.voxel_size_m).astype(np.int64) - self._anchor
        # Points sorted by voxel; torch sorts twice as fast as NumPy.
        ordered_keys, order = (t.numpy() for t in torch.sort(torch.from_numpy(_pack(cells))))
        order = near[order]  # (P,)
        starts = np.flatnonzero(np.diff(ordered_keys, prepend=-1))  # (U,) first point of each voxel
        if len(starts) > self.max_voxels:
            # More voxels than the grid holds: keep the nearest ones.
            nearest = np.argpartition(square_m2[order[starts]], self.max_voxels)
            is_kept = np.zeros(len(starts), dtype=bool)
            is_kept[nearest[: self.max_voxels]] = True
            is_kept = np.repeat(is_kept, np.diff(starts, append=len(order)))
            ordered_keys, order = ordered_keys[is_kept], order[is_kept]
            starts = np.flatnonzero(np.diff(ordered_keys, prepend=-1))
        if len(order) == 0:
            return
        keys = ordered_keys[starts]
        slots = self._occupy(keys)
        self._merge(slots, order, starts, evidence, weights, stamp_ns)
        self._counts[slots] += np.diff(starts, append=len(order))
        self._seen_ns[slots] = stamp_ns
        self._passes[slots] = 0
        self._is_changed[slots] = True

    def offsets(self, origin_fixed: NDArray[np.float64]) -> NDArray[np.float32]:
        """Vectors from a point to the voxel centres.

        Args:
            origin_fixed: (3,) float64, the point, metres, fixed frame.

        Returns:
            (V, 3) float32, metres, axes of the fixed frame.
        """
        origin_cell = np.floor(origin_fixed / self.voxel_size_m).astype(np.int64)
        # Integers are subtracted first: float32 is precise enough only near the vehicle.
        first = origin_cell - self._anchor + _AXIS_OFFSET
        shift = (origin_cell + 0.5) * self.voxel_size_m - origin_fixed
        offsets: NDArray[np.float32] = np.empty((3, len(self._keys)), np.float32)
        for axis in range(3):
            offsets[axis] = _field(self._keys, axis) - first[axis]
            offsets[axis] *= self.voxel_size_m
            offsets[axis] += shift[axis]
        return offsets.T

    def prune(
        self,
        offsets: NDArray[np.float32],
        stamp_ns: int,
        is_passed: NDArray[np.bool_] | None = None,
    ) -> None:
        """Drop voxels beyond the radius, decayed voxels and free voxels.

        Args:
            offsets: (V, 3) float32 vectors from the LiDAR to the voxels, from `offsets`.
            stamp_ns: Time of the newest sweep, nanoseconds; voxels with a point of it are not free.
            is_passed: (V,) bool, whether that sweep saw through a voxel. A voxel is free if
                PASSES_UNTIL_FREE sweeps saw through it since its last point.
        """
        is_gone = np.einsum("vi,vi->v", offsets, offsets) > self._radius_m**2
        if self._decay_s > 0:
            left = self._weights[self._slots] * self._decay(self._slots, stamp_ns)
            is_gone |= left < _MIN_WEIGHT
        if is_passed is not None:
            rows = np.flatnonzero(is_passed)
            rows = rows[self._seen_ns[self._slots[rows]] != stamp_ns]
            self._passes[self._slots[rows]] += 1
            is_gone[rows] |= self._passes[self._slots[rows]] >= PASSES_UNTIL_FREE
        self._drop(is_gone)

    def centers(self) -> NDArray[np.float32]:
        """Voxel centres: (V, 3) float32, metres, fixed frame."""
        cells = _unpack(self._keys) + self._anchor
        return ((cells + 0.5) * self.voxel_size_m).astype(np.float32)

    def counts(self) -> NDArray[np.int64]:
        """Number of points in each voxel: (V,) int64."""
        return self._counts[self._slots]

    @property
    def slots(self) -> NDArray[np.int32]:
        """Where each voxel is kept: (V,) int32 below `max_voxels`, the same as long as it lives."""
        return self._slots

    def take_changed(self) -> NDArray[np.int64]:
        """Voxels that evidence came to since the last call: their rows among all, int64."""
        rows = np.flatnonzero(self._is_changed[self._slots])
        self._is_changed[:] = False
        return rows

    def logits(self, text_embeddings: Tensor, rows: NDArray[np.int64] | None = None) -> Tensor:
        """Compute the logits of voxels for every text.

        Args:
            text_embeddings: (C, D) float32 of unit length.
            rows: (R,) int64 rows of voxels, by default all V of them.

        Returns:
            (R, C) float32, the weighted mean of the logits of the points in each voxel.
        """
        slots = torch.from_numpy(self._slots if rows is None else self._slots[rows]).long()
        logits = torch.empty((len(slots), len(text_embeddings)))
        for begin in range(0, len(slots), _ROWS_AT_ONCE):
            block = slots[begin : begin + _ROWS_AT_ONCE]
            logits[begin : begin + len(block)] = (
                self._means.index_select(0, block).float() @ text_embeddings.T
            )
        return logits

    def clear(self) -> None:
        """Drop all voxels."""
        self._drop(np.ones(len(self._keys), dtype=bool))

    def _follow(self, origin_cell: NDArray[np.int64]) -> None:
        """Move the anchor to a vehicle that is far from it; drop voxels that a key cannot hold."""
        if len(self._keys) and np.abs(origin_cell - self._anchor).max() <= _MAX_DRIFT:
            return
        cells = _unpack(self._keys) + self._anchor - origin_cell
        self._drop(np.abs(cells).max(axis=1, initial=0) >= _MAX_DRIFT)
        self._keys = _pack(_unpack(self._keys) + self._anchor - origin_cell)
        self._anchor = origin_cell

    def _occupy(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Find the slots (U,) of sorted keys (U,); new keys get empty slots."""
        is_new = ~self._contains(keys)
        excess = len(self._keys) + int(is_new.sum()) - self.max_voxels
        if excess > 0:
            self._evict(keys, excess)
        added = keys[is_new]
        left = self._num_free - len(added)
        slots = self._free[left : self._num_free]
        self._weights[slots] = 0
        self._counts[slots] = 0
        at = np.searchsorted(self._keys, added)
        self._keys = np.insert(self._keys, at, added)
        self._slots = np.insert(self._slots, at, slots)
        return self._slots[np.searchsorted(self._keys, keys)]

    def _evict(self, keys: NDArray[np.int64], excess: int) -> None:
        """Drop the `excess` voxels not seen for the longest time, but none of `keys`."""
        age = self._seen_ns[self._slots]
        age[np.isin(self._keys, keys, assume_unique=True)] = np.iinfo(np.int64).max
        is_gone = np.zeros(len(self._keys), dtype=bool)
        is_gone[np.argpartition(age, excess - 1)[:excess]] = True
        self._drop(is_gone)

    @property
    def _num_free(self) -> int:
        return self.max_voxels - len(self._keys)

    def _contains(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not len(self._keys):
            return np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found: NDArray[np.bool_] = self._keys[at] == keys
        return found

    def _merge(
        self,
        slots: NDArray[np.int32],
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        evidence: Evidence,
        weights: Tensor,
        stamp_ns: int,
    ) -> None:
        """Take the weighted mean of old and new evidence.

        Args:
            slots: (U,) int32 slots of the voxels that the sweep hit.
            order: (P,) int64 indices of the points, sorted by voxel.
            starts: (U,) int64 index in `order` of the first point of each voxel.
            evidence: Evidence of the N points of the sweep.
            weights: (N,) float32, weight of each point.
            stamp_ns: Time of the sweep, nanoseconds.
        """
        old = self._weights[slots]
        if self._decay_s > 0:
            old = np.where(old > 0, old * self._decay(slots, stamp_ns), 0)
        total = old + np.add.reduceat(weights.numpy()[order], starts)
        self._weights[slots] = np.minimum(total, _MAX_WEIGHT)
        rows, points = torch.from_numpy(slots).long(), torch.from_numpy(order)
        point_weights = weights[points]
        if evidence.row_of_point is not None:
            points = evidence.row_of_point[points]
        shares = torch.from_numpy(old / total)[:, None]
        totals = torch.from_numpy(total)[:, None]
        ends = np.append(starts[1:], len(order))
        for begin in range(0, len(slots), _ROWS_AT_ONCE):
            chosen = slice(begin, begin + _ROWS_AT_ONCE)
            first, last = starts[begin], ends[chosen][-1]
            # One pass over the points; adding them row by row is five times slower.
            means = F.embedding_bag(
                points[first:last],
                evidence.vectors,
                torch.from_numpy(starts[chosen] - first),
                mode="sum",
                per_sample_weights=point_weights[first:last],
            ).div_(totals[chosen])
            # Plain indexing with rows is ten times slower.
            means.addcmul_(self._means.index_select(0, rows[chosen]).float(), shares[chosen])
            self._means.index_copy_(0, rows[chosen], means.half())

    def _decay(self, slots: NDArray[np.int32], stamp_ns: int) -> NDArray[np.float32]:
        """Factor (U,) float32 on the weights of slots (U,) since they were last seen."""
        age_s = np.maximum(stamp_ns - self._seen_ns[slots], 0) * 1e-9
        return np.exp2(-age_s / self._decay_s).astype(np.float32)

    def _drop(self, is_gone: NDArray[np.bool_]) -> None:
        if not is_gone.any():
            return
        slots = self._slots[is_gone]
        self._free[self._num_free : self._num_free + len(slots)] = slots
        self._keys, self._slots = self._keys[~is_gone], self._slots[~is_gone]


def _pack(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cells (N, 3) near the anchor -> keys (N,) that sort by x, y, z."""
    x, y, z = (cells + _AXIS_OFFSET).T
    keys: NDArray[np.int64] = (x << _AXIS_BITS | y) << _AXIS_BITS | z
    return keys


def _unpack(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Invert `_pack`."""
    return np.stack([_field(keys, axis) for axis in range(3)], axis=1) - _AXIS_OFFSET


def _field(keys: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    return keys >> (2 - axis) * _AXIS_BITS & _AXIS_MASK
