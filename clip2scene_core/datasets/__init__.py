"""Read samples from data sets on disk: a keyframe, previous sweeps, camera views and labels.

Read `nuscenes_tables` (JSON tables to records), `nuscenes` (records to samples), `keyframe_dataset`
(what training takes), then `joined` (several data sets as one).
"""

from clip2scene_core.datasets.joined import JoinedDataset
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_camera, read_points, read_sweep
from clip2scene_core.datasets.nuscenes_tables import SceneRecord, SensorRecord
from clip2scene_core.sample import CameraView, DatasetError, Sample, Sweep

__all__ = [
    "CameraView",
    "DatasetError",
    "JoinedDataset",
    "KeyframeDataset",
    "NuScenesDataset",
    "Sample",
    "SceneRecord",
    "SensorRecord",
    "Sweep",
    "read_camera",
    "read_points",
    "read_sweep",
]
