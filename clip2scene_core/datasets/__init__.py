"""Read samples from data sets on disk: a keyframe, previous sweeps, camera views and labels.

Read `keyframe_dataset` (what training and evaluation take), `nuscenes_tables` (JSON tables to
records), `nuscenes` (records to samples), then `joined` (several data sets as one).
"""

from clip2scene_core.datasets.joined import JoinedDataset
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset, LabelledDataset, SceneRecord
from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_camera, read_points, read_sweep
from clip2scene_core.datasets.nuscenes_tables import SensorRecord
from clip2scene_core.sample import CameraView, DatasetError, Sample, Sweep

__all__ = [
    "CameraView",
    "DatasetError",
    "JoinedDataset",
    "KeyframeDataset",
    "LabelledDataset",
    "NuScenesDataset",
    "Sample",
    "SceneRecord",
    "SensorRecord",
    "Sweep",
    "read_camera",
    "read_points",
    "read_sweep",
]
