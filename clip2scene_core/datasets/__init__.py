"""Data sets on disk as samples."""

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_camera, read_points, read_sweep
from clip2scene_core.datasets.nuscenes_tables import SceneRecord, SensorRecord
from clip2scene_core.datasets.sample import CameraView, DatasetError, Sample, Sweep

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
