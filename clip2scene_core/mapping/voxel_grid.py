"""A rolling voxel grid in a fixed frame that gathers what was seen, open to any words."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_AXIS_BITS = 21
_AXIS_OFFSET = 1 << (_AXIS_BITS - 1)
_AXIS_MASK = (1 << _AXIS_BITS) - 1
# Beyond half of the keys' reach from the anchor, the anchor follows the vehicle.
_MAX_DRIFT = _AXIS_OFFSET // 2

# More evidence than this counts as this much: a place that changed is believed after as many looks,
# and half precision could not hold a change by less than a thousandth.
_MAX_WEIGHT = 100.0
_MIN_WEIGHT = 0.05
PASSES_UNTIL_FREE = 3
"""Sweeps that must see through a voxel before it leaves: one alone may have a bad pose."""
_ROWS_AT_ONCE = 1 << 11  # few enough for the processor's cache


class EvidenceGrid:
    """Occupied voxels around the vehicle, each with the weighted mean of what points in it showed.

    What a point shows is a vector in CLIP's space whose product with a text embedding is a logit
    (see `evidence.py`). The mean of the vectors, kept in half precision, gives the mean of the
    logits for any words at any later time. The memory for `max_voxels` is reserved at once, so it
    cannot grow; the operating system hands it out as voxels come in.

    Args:
        voxel_size_m: Edge of a voxel in metres.
        embedding_size: D, the width of CLIP's space.
        radius_m: Voxels farther than this from the vehicle leave.
        max_voxels: When there are more, the ones not seen for longest leave.
        decay_s: Time in which evidence loses half of its weight; 0 keeps it.

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
        self._max_voxels = max_voxels
        # Sorted keys say in which slot of the arrays below a voxel lives, so that new voxels
        # move a few bytes each and never the embeddings.
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._slots: NDArray[np.int32] = np.zeros(0, np.int32)
        self._free: NDArray[np.int32] = np.arange(max_voxels, dtype=np.int32)[::-1].copy()
        # Zeros, because what a fresh slot holds must be finite. NumPy's are pages that nobody has
        # touched, torch would write all of them.
        self._means = torch.from_numpy(np.zeros((max_voxels, embedding_size), np.float16))
        self._weights: NDArray[np.float32] = np.empty(max_voxels, np.float32)
        self._counts: NDArray[np.int64] = np.empty(max_voxels, np.int64)
        self._seen_ns: NDArray[np.int64] = np.empty(max_voxels, np.int64)
        self._passes: NDArray[np.uint8] = np.empty(max_voxels, np.uint8)
        self._anchor: NDArray[np.int64] = np.zeros(3, np.int64)

    def keep(self, radius_m: float, decay_s: float) -> None:
        """Say from now on how far voxels stay and for how long; see the class.

        Raises:
            ValueError: As `check_keep`; nothing changes then.
        """
        self.check_keep(radius_m, decay_s)
        self._radius_m = radius_m
        self._decay_s = decay_s

    def check_keep(self, radius_m: float, decay_s: float) -> None:
        """Check what `keep` takes.

        Raises:
            ValueError: If radius_m is not positive or more voxels than a key holds, or decay_s is
                negative.
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
        """Bytes that are reserved for `max_voxels`."""
        arrays = (self._weights, self._counts, self._seen_ns, self._passes, self._free)
        return self._means.nbytes + sum(array.nbytes for array in arrays)

    def add(
        self,
        points_fixed: NDArray[np.float64],
        evidence: Tensor,
        weights: Tensor,
        origin_fixed: NDArray[np.float64],
        stamp_ns: int,
    ) -> None:
        """Add what one sweep shows; points beyond the radius are left out.

        Args:
            points_fixed: (N, 3) float64, metres, fixed frame.
            evidence: (N, D) float32, what each point shows.
            weights: (N,) float32; points without weight are left out.
            origin_fixed: (3,) float64, metres, the LiDAR in the fixed frame.
            stamp_ns: The sweep's.
        """
        # Keys count from an anchor near the vehicle: maps in UTM lie thousands of kilometres out.
        self._follow(np.floor(origin_fixed / self.voxel_size_m).astype(np.int64))
        square_m2 = ((points_fixed - origin_fixed) ** 2).sum(axis=1)
        near = np.flatnonzero((square_m2 <= self._radius_m**2) & (weights.numpy() > 0))
        cells = np.floor(points_fixed[near] / self.voxel_size_m).astype(np.int64) - self._anchor
        # Voxel by voxel; torch sorts numbers twice as fast as NumPy.
        ordered_keys, order = (t.numpy() for t in torch.sort(torch.from_numpy(_pack(cells))))
        order = near[order]  # (P,)
        starts = np.flatnonzero(np.diff(ordered_keys, prepend=-1))  # (U,) where voxels begin
        if len(starts) > self._max_voxels:
            # More than the grid holds: the nearest ones are worth most.
            nearest = np.argpartition(square_m2[order[starts]], self._max_voxels)
            is_kept = np.zeros(len(starts), dtype=bool)
            is_kept[nearest[: self._max_voxels]] = True
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

    def offsets(self, origin_fixed: NDArray[np.float64]) -> NDArray[np.float32]:
        """Voxel centres (V, 3) float32, metres, axes of the fixed frame, counted from a point."""
        origin_cell = np.floor(origin_fixed / self.voxel_size_m).astype(np.int64)
        # Whole numbers are subtracted first: single precision holds metres around the vehicle.
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
        """Drop voxels that are out of reach, decayed, or free by now.

        Args:
            offsets: (V, 3) float32, from `offsets`, counted from the LiDAR.
            stamp_ns: Of the newest sweep; the voxels that it hit itself are not free.
            is_passed: (V,) bool, whether that sweep saw through a voxel. A voxel is free when
                PASSES_UNTIL_FREE sweeps did since a point was last measured in it.
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
        """Points that fell into each voxel: (V,) int64."""
        return self._counts[self._slots]

    def logits(self, text_embeddings: Tensor) -> Tensor:
        """Compare every voxel with every text.

        Args:
            text_embeddings: (C, D) float32 of unit length.

        Returns:
            (V, C) float32, the weighted mean of the logits of the points in each voxel.
        """
        slots = torch.from_numpy(self._slots).long()
        logits = torch.empty((len(slots), len(text_embeddings)))
        for begin in range(0, len(slots), _ROWS_AT_ONCE):
            rows = slots[begin : begin + _ROWS_AT_ONCE]
            logits[begin : begin + len(rows)] = (
                self._means.index_select(0, rows).float() @ text_embeddings.T
            )
        return logits

    def clear(self) -> None:
        """Forget everything."""
        self._drop(np.ones(len(self._keys), dtype=bool))

    def _follow(self, origin_cell: NDArray[np.int64]) -> None:
        """Move the anchor to the vehicle when it has gone far; what is out of reach leaves."""
        if len(self._keys) and np.abs(origin_cell - self._anchor).max() <= _MAX_DRIFT:
            return
        cells = _unpack(self._keys) + self._anchor - origin_cell
        self._drop(np.abs(cells).max(axis=1, initial=0) >= _MAX_DRIFT)
        self._keys = _pack(_unpack(self._keys) + self._anchor - origin_cell)
        self._anchor = origin_cell

    def _occupy(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Find the slots of sorted keys (U,); new keys get empty ones."""
        is_new = ~self._contains(keys)
        excess = len(self._keys) + int(is_new.sum()) - self._max_voxels
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
        """Drop the `excess` voxels that were not seen for longest, none of `keys` among them."""
        age = self._seen_ns[self._slots]
        age[np.isin(self._keys, keys, assume_unique=True)] = np.iinfo(np.int64).max
        is_gone = np.zeros(len(self._keys), dtype=bool)
        is_gone[np.argpartition(age, excess - 1)[:excess]] = True
        self._drop(is_gone)

    @property
    def _num_free(self) -> int:
        return self._max_voxels - len(self._keys)

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
        evidence: Tensor,
        weights: Tensor,
        stamp_ns: int,
    ) -> None:
        """Take the weighted mean of old and new evidence.

        Args:
            slots: (U,) of the voxels that the sweep hit.
            order: (P,) points, voxel by voxel.
            starts: (U,) where in `order` each voxel's points begin.
            evidence: (N, D) float32.
            weights: (N,) float32.
            stamp_ns: The sweep's.
        """
        old = self._weights[slots]
        if self._decay_s > 0:
            old = np.where(old > 0, old * self._decay(slots, stamp_ns), 0)
        total = old + np.add.reduceat(weights.numpy()[order], starts)
        self._weights[slots] = np.minimum(total, _MAX_WEIGHT)
        rows, points = torch.from_numpy(slots).long(), torch.from_numpy(order)
        point_weights = weights[points]
        shares = torch.from_numpy(old / total)[:, None]
        totals = torch.from_numpy(total)[:, None]
        ends = np.append(starts[1:], len(order))
        for begin in range(0, len(slots), _ROWS_AT_ONCE):
            chosen = slice(begin, begin + _ROWS_AT_ONCE)
            first, last = starts[begin], ends[chosen][-1]
            # One pass over the points; adding them row by row takes five times as long.
            means = F.embedding_bag(
                points[first:last],
                evidence,
                torch.from_numpy(starts[chosen] - first),
                mode="sum",
                per_sample_weights=point_weights[first:last],
            ).div_(totals[chosen])
            # Plain indexing with rows takes ten times as long.
            means.addcmul_(self._means.index_select(0, rows[chosen]).float(), shares[chosen])
            self._means.index_copy_(0, rows[chosen], means.half())

    def _decay(self, slots: NDArray[np.int32], stamp_ns: int) -> NDArray[np.float32]:
        """The share of its weight that evidence in slots (U,) has kept since it was last seen."""
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
