"""Which official splits a data set has, whole or in part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.datasets.nuscenes_format.scene_lists import NUSCENES_SPLITS
from clip2scene_core.datasets.scannet import SCANNET_SPLITS, ScanNetDataset, read_scannet_split
from clip2scene_core.datasets.semantic_kitti import SEMANTIC_KITTI_SPLITS, SemanticKittiDataset
from clip2scene_core.doctor.finding import Finding, note, ok, some
from clip2scene_core.sample import DatasetError


def check_splits(root: Path, dataset: KeyframeDataset) -> list[Finding]:
    """Say which official splits are there; data sets with scenes of their own have none.

    Args:
        root: Folder of the data set.
        dataset: All of its scenes.
    """
    splits: Mapping[str, Sequence[str]]
    if isinstance(dataset, NuScenesDataset):
        splits = NUSCENES_SPLITS
    elif isinstance(dataset, SemanticKittiDataset):
        splits = SEMANTIC_KITTI_SPLITS
    elif isinstance(dataset, ScanNetDataset):
        splits = _scannet_splits(root)
    else:
        return []
    there = {scene.name for scene in dataset.scenes}
    whole = [name for name, scenes in splits.items() if set(scenes) <= there]
    parts = {
        name: sum(scene in there for scene in scenes)
        for name, scenes in splits.items()
        if name not in whole and there & set(scenes)
    }
    scenes = f"{len(dataset)} keyframes in {len(there)} scenes"
    if not whole and not parts:
        return [ok("splits", f"{scenes}, none of an official split; --scenes chooses some")]
    if not parts or (isinstance(dataset, NuScenesDataset) and "mini_train" in whole):
        return [ok("splits", f"{scenes}; whole: {', '.join(whole)}")]
    text = f"{scenes}; whole: {', '.join(whole) or 'none'}; in part: " + some(
        f"{name} ({count} of {len(splits[name])})" for name, count in parts.items()
    )
    remedy = (
        "--split refuses a split that is not whole: complete the download, or name scenes in a "
        "file for --scenes; figures on a part are not comparable with published ones"
    )
    return [note("splits", text, remedy)]


def _scannet_splits(root: Path) -> dict[str, Sequence[str]]:
    splits: dict[str, Sequence[str]] = {}
    for name in SCANNET_SPLITS:
        try:
            splits[name] = read_scannet_split(root, name)
        except (DatasetError, UnicodeDecodeError, OSError):
            continue
    return splits
