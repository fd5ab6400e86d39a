"""Open-vocabulary LiDAR segmentation: CLIP2Scene as a library, without ROS.

In the order of the data: every module uses `sample` and `labels`. `datasets` and `geometry` give
samples and pixel-point pairs, `teacher` and `prompts` give embeddings. `preprocessing` makes clouds
of all sensors alike; `sparse`, `network` and `losses` make the student, `training` writes its
`checkpoint`, or `official` makes it of a released one, `inference` and `mapping` use it to label,
`export` writes it for programs without Python. `evaluation`, `corruptions`, `bench` and
`visualization` measure the labels; `doctor` examines data before hours are spent; `world` renders
synthetic data; `scans` holds single scans of other tools. `jobs` lets processes share work, one
recording each. All of them use `config`, `device`, `files`, `atomic_write`, `worker` and `renamed`;
`zeroshot_splits` divides classes for the few that do; `allocator` and `idle_threads` are for
programs.

Example:
    >>> import clip2scene_core
    >>> clip2scene_core.__version__.count(".")
    2
    >>> segmenter = clip2scene_core.load_segmenter("small", prompts=["car", "road", "person"])
    >>> segmenter.class_names
    ('car', 'road', 'person')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clip2scene_core.inference.labelled_cloud import LabelledCloud
    from clip2scene_core.inference.online import OnlineSegmenter, load_online_segmenter
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_core.inference.pipeline import SweepPipeline
    from clip2scene_core.inference.segmentation import Segmentation
    from clip2scene_core.inference.segmenter import Segmenter, load_segmenter
    from clip2scene_core.prompts.prompt_set import PromptSet
    from clip2scene_core.sample import CameraView, Lens, Sample, Sweep

__version__ = "0.1.0"

__all__ = [
    "CameraView",
    "LabelledCloud",
    "Lens",
    "OnlineOptions",
    "OnlineSegmenter",
    "PromptSet",
    "Sample",
    "Segmentation",
    "Segmenter",
    "Sweep",
    "SweepPipeline",
    "__version__",
    "load_online_segmenter",
    "load_segmenter",
]

_MODULES = {
    "sample": ("CameraView", "Lens", "Sample", "Sweep"),
    "inference.labelled_cloud": ("LabelledCloud",),
    "inference.online": ("OnlineSegmenter", "load_online_segmenter"),
    "inference.options": ("OnlineOptions",),
    "inference.pipeline": ("SweepPipeline",),
    "inference.segmentation": ("Segmentation",),
    "inference.segmenter": ("Segmenter", "load_segmenter"),
    "prompts.prompt_set": ("PromptSet",),
}


def __getattr__(name: str) -> Any:
    # Torch and CLIP take seconds to import. A reader of the class table must not wait for them.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"clip2scene_core.{module}"), name)
    raise AttributeError(f"module 'clip2scene_core' has no attribute {name!r}")
