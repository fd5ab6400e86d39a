"""Read samples from data sets on disk: a keyframe, previous sweeps, camera views and labels.

Read `nuscenes_tables` (JSON tables to records), then `nuscenes` (records to samples).
"""

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_camera, read_points, read_sweep
from clip2scene_core.datasets.nuscenes_tables import SceneRecord, SensorRecord
from clip2scene_core.sample import CameraView, DatasetError, Sample, Sweep

__all__ = [
    "CameraView",
    "DatasetError",
    "NuScenesDataset",
    "Sample",
    "SceneRecord",
    "SensorRecord",
    "Sweep",
    "read_camera",
    "read_points",
    "read_sweep",
]
