"""Read samples from data sets on disk: a keyframe, previous sweeps, camera views and labels.

Read `keyframe_dataset` (what training and evaluation take), `keyframe_files` (what a keyframe is
made of), `nuscenes_format/` (names of sensors, classes and splits), `nuscenes_tables` (JSON tables
to records), `nuscenes` (records to samples); `kitti_format/`, `semantic_kitti` (sequences to
samples), `intensity` (the full scale of both); `scannet_format/`, `scannet` (scenes to samples);
`label_files` (predictions as evaluators read them); then `open_dataset` (a folder to one of these),
`joined` (several data sets as one), `chosen_scenes` (a part of one) and `seen_labels` (one without
the labels of unseen classes). `nuscenes_writer` writes samples in nuScenes' format, `nuscenes_copy`
a whole data set.
"""

from clip2scene_core.datasets.joined import JoinedDataset
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset, LabelledDataset, SceneRecord
from clip2scene_core.datasets.label_files import write_label_file, write_scannet_labels
from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_camera, read_points, read_sweep
from clip2scene_core.datasets.nuscenes_tables import SensorRecord
from clip2scene_core.datasets.open_dataset import open_dataset
from clip2scene_core.datasets.scannet import SCANNET_SPLITS, ScanNetDataset
from clip2scene_core.datasets.seen_labels import SeenLabelsDataset
from clip2scene_core.datasets.semantic_kitti import SEMANTIC_KITTI_SPLITS, SemanticKittiDataset
from clip2scene_core.sample import CameraView, DatasetError, DepthImage, Sample, Sweep

__all__ = [
    "SCANNET_SPLITS",
    "SEMANTIC_KITTI_SPLITS",
    "CameraView",
    "DatasetError",
    "DepthImage",
    "JoinedDataset",
    "KeyframeDataset",
    "LabelledDataset",
    "NuScenesDataset",
    "Sample",
    "ScanNetDataset",
    "SceneRecord",
    "SeenLabelsDataset",
    "SemanticKittiDataset",
    "SensorRecord",
    "Sweep",
    "open_dataset",
    "read_camera",
    "read_points",
    "read_sweep",
    "write_label_file",
    "write_scannet_labels",
]
