"""Map labels of other prompts to the classes of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, SemanticClass

NO_CLASS: Final = "no class"
"""Name of a label that is none of the classes, such as the sky."""


def are_classes(names: Sequence[str], classes: Sequence[SemanticClass]) -> bool:
    """Whether every name is one of the classes or NO_CLASS, so that `class_of_label` takes them."""
    return set(names) <= {NO_CLASS, *(scene_class.name for scene_class in classes)}


def class_of_label(
    names: Sequence[str], classes: Sequence[SemanticClass] = NUSCENES_CLASSES
) -> NDArray[np.uint8]:
    """Build the lookup table from labels to the classes of a data set.

    Args:
        names: L names of labels; each is one of the classes or NO_CLASS.
        classes: The classes of the ground truth.

    Returns:
        (256,) uint8: the class of each label. IGNORE_LABEL for NO_CLASS and for labels from L on;
        such a point is a miss of its true class.

    Raises:
        ValueError: If a name is neither.
    """
    index_of = {scene_class.name: index for index, scene_class in enumerate(classes)}
    table = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    for label, name in enumerate(names):
        if name != NO_CLASS and name not in index_of:
            raise ValueError(
                f"a label is called {name!r}, but evaluation compares the data set's "
                f"{len(index_of)} classes; name it {NO_CLASS!r} or one of {', '.join(index_of)}"
            )
        table[label] = index_of.get(name, IGNORE_LABEL)
    return table
