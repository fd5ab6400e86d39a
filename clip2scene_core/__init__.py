"""Open-vocabulary LiDAR segmentation: CLIP2Scene as a library. It knows no ROS."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clip2scene_core.datasets.sample import CameraView, Sample, Sweep
    from clip2scene_core.online import LabelledCloud, OnlineSegmenter, load_online_segmenter
    from clip2scene_core.online_options import OnlineOptions
    from clip2scene_core.segmenter import Segmentation, Segmenter, load_segmenter

__version__ = "0.1.0"

__all__ = [
    "CameraView",
    "LabelledCloud",
    "OnlineOptions",
    "OnlineSegmenter",
    "Sample",
    "Segmentation",
    "Segmenter",
    "Sweep",
    "__version__",
    "load_online_segmenter",
    "load_segmenter",
]

_MODULES = {
    "datasets.sample": ("CameraView", "Sample", "Sweep"),
    "online": ("LabelledCloud", "OnlineSegmenter", "load_online_segmenter"),
    "online_options": ("OnlineOptions",),
    "segmenter": ("Segmentation", "Segmenter", "load_segmenter"),
}


def __getattr__(name: str) -> Any:
    # Torch and CLIP take seconds to import; reading a table of classes should not.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"clip2scene_core.{module}"), name)
    raise AttributeError(f"module 'clip2scene_core' has no attribute {name!r}")
