"""A process of its own that labels, and what it has imported when the first label is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from checkout import ROOT

SLOW = ("open_clip", "torchvision", "timm", "torch._dynamo", "sympy", "skimage")
"""Seconds of imports; the CLIP, training and the world need them, labelling does not."""

SCRIPT = """
import json, sys
import numpy as np
{imports}
from clip2scene_core import CameraView, OnlineOptions, Sweep, load_online_segmenter
segmenter = load_online_segmenter("small", options=OnlineOptions(mode={mode!r}))
points = np.array([[5.0, 1.0, -1.8, 0.1], [9.0, 0.0, -1.0, 0.3]], np.float32)
T_global_camera = np.eye(4)[[2, 0, 1, 3]] * [[1], [-1], [-1], [1]]
intrinsics = np.array([[50.0, 0, 100], [0, 50.0, 56], [0, 0, 1]])
image = np.full((112, 200, 3), 128, np.uint8)
cameras = [CameraView("front", image, intrinsics, T_global_camera, 0)]
segmenter.segment(Sweep(points, np.eye(4), stamp_ns=0), cameras)
segmenter.map()
first = [name for name in {slow!r} if name in sys.modules]
segmenter.set_prompts(["vehicle", "lawn"])
labels = segmenter.segment(Sweep(points, np.eye(4), stamp_ns=1), cameras).labels
json.dump([first, "open_clip" in sys.modules, int(labels.max())], sys.stdout)
"""


def imported_until_the_first_label(mode: str, imports: str = "") -> list[str]:
    """Label in a new process by a mode, after some imports; list the slow modules it took."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = SCRIPT.format(mode=mode, imports=imports, slow=SLOW)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    first, has_clip, label = json.loads(done.stdout)
    assert has_clip, "new words were read without a CLIP"
    assert label < 2
    return list(first)
