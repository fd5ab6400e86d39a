"""Open a data set on disk by the layout of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.kitti_format.sequence import FULL_SCALE as KITTI_FULL_SCALE
from clip2scene_core.datasets.nuscenes import FULL_SCALE as NUSCENES_FULL_SCALE
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.datasets.nuscenes_format.scene_lists import scenes_of_nuscenes_split
from clip2scene_core.datasets.nuscenes_tables import list_scenes
from clip2scene_core.datasets.scannet import ScanNetDataset, is_scannet, read_scannet_split
from clip2scene_core.datasets.semantic_kitti import SEMANTIC_KITTI_SPLITS, SemanticKittiDataset
from clip2scene_core.sample import DatasetError


def open_dataset(
    root: Path,
    version: str | None = None,
    scenes: Sequence[str] | None = None,
    split: str | None = None,
    num_sweeps: int = 1,
    with_labels: bool = False,
    with_images: bool | None = True,
    with_poses: bool = True,
    cameras: Sequence[str] | None = None,
    intensity_scale: float | None = None,
) -> KeyframeDataset:
    """Open a data set whose layout the folder shows.

    nuScenes has `samples/` and a version folder `v1.0-*`; SemanticKITTI
    has `sequences/NN/velodyne`; ScanNet has `scans/NAME/NAME_vh_clean_2.ply`.

    Args:
        root: Folder of the data set.
        version: nuScenes: name of the version folder; None means the only one.
        scenes: Names of scenes or sequences, in the wanted order; None means all.
        split: Official split, in place of `scenes`: "train", "val" or "test"; of nuScenes also
            "mini_train" and "mini_val". ScanNet's are read from its lists, see
            `read_scannet_split`.
        num_sweeps: See the data set.
        with_labels: Whether keyframes have labels.
        with_images: Whether samples have camera views; None means that the user can do without.
        with_poses: SemanticKITTI: whether sweeps have poses, see `SemanticKittiDataset`.
        cameras: nuScenes: names of the cameras, see `NuScenesDataset`.
        intensity_scale: The LiDAR's largest intensity in the files; None means the layout's: 255 in
            nuScenes, 1 in SemanticKITTI.

    Raises:
        DatasetError: If the layout is none of these, or the data set is incomplete.
    """
    root = Path(root)
    if (root / "sequences").is_dir():
        if version is not None:
            raise DatasetError(f"{root} is laid out as SemanticKITTI, which has no versions")
        if cameras is not None:
            raise DatasetError(
                f"{root} is laid out as SemanticKITTI, whose cameras are image_2 and image_3; move "
                f"one away to leave it out"
            )
        return SemanticKittiDataset(
            root,
            _scenes_of(split, scenes),
            num_sweeps,
            with_labels,
            with_images,
            with_poses,
            KITTI_FULL_SCALE if intensity_scale is None else intensity_scale,
        )
    if is_scannet(root):
        return _open_scannet(root, version, scenes, split, num_sweeps, with_labels, with_images)
    if any(root.glob("v1.0-*")) or (version is not None and (root / version).is_dir()):
        if split is not None:
            scenes = _nuscenes_scenes(root, version, split, scenes)
        return NuScenesDataset(
            root,
            version,
            scenes,
            num_sweeps,
            with_labels,
            with_images,
            cameras,
            NUSCENES_FULL_SCALE if intensity_scale is None else intensity_scale,
        )
    raise DatasetError(
        f"{root} is no data set that can be read: nuScenes has samples/ and v1.0-*/, "
        f"SemanticKITTI has sequences/NN/velodyne, ScanNet has scans/NAME/NAME_vh_clean_2.ply; "
        f"{_describe(root)}"
    )


def _open_scannet(
    root: Path,
    version: str | None,
    scenes: Sequence[str] | None,
    split: str | None,
    num_sweeps: int,
    with_labels: bool,
    with_images: bool | None,
) -> ScanNetDataset:
    if version is not None or num_sweeps != 1:
        raise DatasetError(
            f"{root} is laid out as ScanNet, which has no versions and no previous sweeps: a scene "
            f"is one cloud"
        )
    if split is not None:
        if scenes is not None:
            raise DatasetError(f"choose the split {split!r} or scenes, not both")
        scenes = read_scannet_split(root, split)
    return ScanNetDataset(root, scenes, with_labels, with_images)


def _scenes_of(split: str | None, scenes: Sequence[str] | None) -> Sequence[str] | None:
    if split is None:
        return scenes
    if scenes is not None:
        raise DatasetError(f"choose the split {split!r} or scenes, not both")
    if split not in SEMANTIC_KITTI_SPLITS:
        raise DatasetError(
            f"SemanticKITTI has the splits {', '.join(SEMANTIC_KITTI_SPLITS)}, got {split!r}"
        )
    return SEMANTIC_KITTI_SPLITS[split]


def _nuscenes_scenes(
    root: Path, version: str | None, split: str, scenes: Sequence[str] | None
) -> Sequence[str]:
    if scenes is not None:
        raise DatasetError(f"choose the split {split!r} or scenes, not both")
    table, names = list_scenes(root, version)
    return scenes_of_nuscenes_split(split, names, table)


def _describe(root: Path) -> str:
    """Say what is in a folder, for a person who gave the wrong one."""
    if not root.is_dir():
        return "it is not a folder"
    names = sorted(path.name + "/" * path.is_dir() for path in root.iterdir())
    if not names:
        return "it is empty"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"it has {', '.join(names[:8])}{more}"
