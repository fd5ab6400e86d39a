"""The labels of one sweep of a sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.prompts.vocabulary import Vocabulary


@dataclass(frozen=True)
class LabelledCloud:
    """One labelled sweep: as many points as came in, in the same order.

    Attributes:
        points: (N, 4) float32, the sweep's own: x, y, z in metres in the LiDAR frame, intensity.
        labels: (N,) uint8, indices into `vocabulary`; IGNORE_LABEL where there is none.
        scores: (N,) float32 in [0, 1], 0 where unlabelled.
        stamp_ns: Stamp of the sweep, nanoseconds.
        T_fixed_lidar: (4, 4) float64, pose of the LiDAR in the fixed frame at the stamp.
        vocabulary: The labels, with names, prompts and colors.
        query: The text that was asked; None without one.
        similarities: (N,) float32 in [0, 1] with the query, see `negatives_and_query`; 0 for points
            that were not labelled, None without a query.
        entropies: (N,) float32, nats, see `entropies_of`; None unless asked for.
        ground: The ground that levelled the sweep for the student, in the LiDAR's place and the
            axes of the base; None if there was none, or the sweep was not levelled.
        notes: What lies far from the training of the student, in a few words each.

    Example:
        >>> import numpy as np
        >>> from clip2scene_core import Sweep, load_online_segmenter
        >>> sweep = Sweep(np.ones((2, 4), np.float32), np.eye(4), stamp_ns=7)
        >>> cloud = load_online_segmenter("small").segment(sweep)
        >>> isinstance(cloud, LabelledCloud), cloud.stamp_ns, cloud.labels.dtype
        (True, 7, dtype('uint8'))
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    stamp_ns: int
    T_fixed_lidar: NDArray[np.float64]
    vocabulary: Vocabulary
    query: str | None = None
    similarities: NDArray[np.float32] | None = None
    entropies: NDArray[np.float32] | None = None
    ground: Ground | None = None
    notes: tuple[str, ...] = ()
