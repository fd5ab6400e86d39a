"""ScanNet, or any data set in its layout, as samples: one cloud with colors for each scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.keyframe_dataset import SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.datasets.scannet_format.frames import ScanNetFrames, find_frames
from clip2scene_core.datasets.scannet_format.ply import read_ply_vertices
from clip2scene_core.geometry.projection import compare_depths
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.labels import SCANNET_CLASSES, scannet_label_map
from clip2scene_core.sample import CameraView, DatasetError, Sample, Sweep

MAX_FRAMES: Final = 32
"""Most frames of a scene that a sample holds by default; scannet_frames_25k has 17 on average."""

SCANNET_SPLITS: Final = ("train", "val", "test")

_TOKEN_PREFIX: Final = "scannet-"
_CLOUD: Final = "{}_vh_clean_2.ply"
_LABELS: Final = "{}_vh_clean_2.labels.ply"
_SCAN_FOLDERS: Final = ("scans", "scans_test", ".")
_FRAME_FOLDERS: Final = ("scannet_frames_25k", "scannet_frames_test")
_SPLIT_FOLDERS: Final = (".", "splits", "meta_data")
_SAME_PLACE_M: Final = 0.01
# In place, hardly any point is before the surface that a frame measured, but for noise and drift;
# in rendered rooms that are turned by 10 degrees, nine of ten are. The floor does not count: it is
# where it was after any turn about z.
_MIN_FITTING: Final = 0.25
_ABOVE_FLOOR_M: Final = 0.3
_ENOUGH_POINTS: Final = 100


@dataclass(frozen=True)
class _Scene:
    """The files of a scene.

    Attributes:
        name: For example "scene0000_00".
        folder: Folder with its cloud.
        frames: Its frames; None without images.
    """

    name: str
    folder: Path
    frames: ScanNetFrames | None


class ScanNetDataset:
    """The scenes of a data set in ScanNet's layout; each has one keyframe.

    A keyframe is a scene: its sweep is the cloud of the whole reconstruction, its cameras are the
    frames that the cloud was made of. The labels are of that cloud, and the networks of this
    benchmark see it whole; a single frame has neither. Nothing moves in a scene, so all stamps are
    0 and there are no previous sweeps.

    The frame of the cloud is that of the reconstruction, moved into the middle of the cloud; z
    points up. Labels are read only if `with_labels`.

    Args:
        root: Folder with scans/NAME/NAME_vh_clean_2.ply, or with the folders of the scenes
            themselves. Frames are in the folder of the scene, or in scannet_frames_25k/NAME, see
            `find_frames`.
        scenes: Names of the scenes, in the wanted order; None means all.
        with_labels: Whether keyframes have labels of the 20 classes.
        with_images: Whether samples have camera views with depth; None takes the frames that are
            there.
        max_frames: Most frames of a sample, spread over the scene.

    Attributes:
        classes: The 20 classes; the index of a class is its label.
        scenes: The open scenes.
        with_labels: Whether keyframes have labels.

    Raises:
        DatasetError: If a scene is unknown or incomplete. The first scene that is loaded is also
            checked for frames that do not fit its cloud.
        ValueError: If max_frames is below 1.

    Source: Dai et al., ScanNet (CVPR 2017).
    """

    classes = SCANNET_CLASSES

    def __init__(
        self,
        root: Path,
        scenes: Sequence[str] | None = None,
        with_labels: bool = False,
        with_images: bool | None = True,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        if max_frames < 1:
            raise ValueError(f"max_frames must be 1 or more, got {max_frames}")
        self.with_labels = with_labels
        self._max_frames = max_frames
        root = Path(root)
        folders = _choose_folders(root, scenes)
        if with_labels:
            _check_labels(folders)
        self._scenes = [_open_scene(root, folder, with_images) for folder in folders]
        self._is_checked = False

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        return tuple(SceneRecord(_token(s), s.name, 1) for s in self._scenes)

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Sample:
        """Load one scene.

        Raises:
            DatasetError: If a file is missing or damaged.
            IndexError: If there is no such scene.
        """
        return self.load(index, ())

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one scene; it has no previous sweeps, so none of them is there.

        Raises:
            DatasetError: If a file is missing or damaged.
            IndexError: If there is no such scene.
        """
        scene = self._find(index)
        cloud = scene.folder / _CLOUD.format(scene.name)
        vertices = read_ply_vertices(cloud, ("x", "y", "z", "red", "green", "blue"))
        points, T_global_cloud = _points_of(cloud, vertices)
        labels = _read_labels(scene, vertices) if self.with_labels else None
        sweep = Sweep(points, T_global_cloud, stamp_ns=0, labels=labels)
        cameras = () if scene.frames is None else scene.frames.read(self._max_frames, with_pixels)
        if cameras and not self._is_checked:
            _check_frames(cloud, sweep, cameras)
            self._is_checked = True
        return Sample(_token(scene), _token(scene), (sweep,), cameras)

    def token(self, index: int) -> str:
        """The token of a scene's keyframe, such as "scannet-scene0000_00"; opens no file."""
        return _token(self._find(index))

    def scene_token(self, index: int) -> str:
        """The token of a scene; opens no file."""
        return _token(self._find(index))

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe: none."""
        self._find(index)
        return 0

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a scene, see `KeyframeDataset.files`; its list of poses is read."""
        scene = self._find(index)
        pictures: tuple[Path, ...] = ()
        depths: tuple[Path, ...] = ()
        placement: tuple[NDArray[np.float64], ...] = ()
        if scene.frames is not None:
            frames = scene.frames
            pictures, depths, poses = frames.files(self._max_frames)
            placement = (poses, frames.color_intrinsics, frames.depth_intrinsics)
        labels = scene.folder / _LABELS.format(scene.name) if self.with_labels else None
        points = (scene.folder / _CLOUD.format(scene.name), *depths)
        return KeyframeFiles(points, pictures, placement, labels)

    def _find(self, index: int) -> _Scene:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} scenes, got the index {index}")
        return self._scenes[index]


def scene_of_token(token: str) -> str:
    """Name of the scene that a token of this data set stands for.

    Raises:
        ValueError: If it is no token of this data set.
    """
    if not token.startswith(_TOKEN_PREFIX):
        raise ValueError(f"{token!r} is no scene of ScanNet, such as {_TOKEN_PREFIX}scene0000_00")
    return token.removeprefix(_TOKEN_PREFIX)


def is_scannet(root: Path) -> bool:
    """Whether a folder is laid out as ScanNet."""
    return any(any((root / folder).glob(f"*/{_CLOUD.format('*')}")) for folder in _SCAN_FOLDERS)


def read_scannet_split(root: Path, split: str) -> list[str]:
    """Read the names of the scenes of a split from ScanNet's own list.

    Args:
        root: Folder of the data set, with scannetv2_train.txt and so on in it or in splits/.
        split: "train", "val" or "test".

    Raises:
        DatasetError: If there is no such split or no list of it.
    """
    if split not in SCANNET_SPLITS:
        raise DatasetError(f"ScanNet has the splits {', '.join(SCANNET_SPLITS)}, got {split!r}")
    name = f"scannetv2_{split}.txt"
    paths = [root / folder / name for folder in _SPLIT_FOLDERS]
    for path in paths:
        if path.is_file():
            return path.read_text(encoding="utf-8").split()
    raise DatasetError(
        f"{root} has no {name}, ScanNet's list of the split; put it there, or give the names of "
        f"the scenes instead of the split"
    )


def _token(scene: _Scene) -> str:
    return f"{_TOKEN_PREFIX}{scene.name}"


def _choose_folders(root: Path, names: Sequence[str] | None) -> list[Path]:
    found: dict[str, Path] = {}
    for parent in _SCAN_FOLDERS:
        for cloud in sorted((root / parent).glob(f"*/{_CLOUD.format('*')}")):
            if cloud.name == _CLOUD.format(cloud.parent.name):
                found.setdefault(cloud.parent.name, cloud.parent)
    if not found:
        raise DatasetError(
            f"{root} has no scans/NAME/NAME_vh_clean_2.ply; is it the root of ScanNet?"
        )
    if names is None:
        return list(found.values())
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DatasetError(
            f"{root} lacks {len(unknown)} of {len(names)} scenes, the first is {unknown[0]}: there "
            f"is no {_CLOUD.format(unknown[0])} in a folder {unknown[0]}; complete the download or "
            f"list fewer scenes"
        )
    return [found[name] for name in names]


def _check_labels(folders: Sequence[Path]) -> None:
    missing = [f.name for f in folders if not (f / _LABELS.format(f.name)).is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(folders)} scenes have no labels, the first is {missing[0]}: "
            f"download {_LABELS.format(missing[0])}, leave the scenes out or open the data set "
            f"without labels (those of the test scenes are not public)"
        )


def _open_scene(root: Path, folder: Path, with_images: bool | None) -> _Scene:
    if with_images is False:
        return _Scene(folder.name, folder, None)
    places = [folder, *(root / name / folder.name for name in _FRAME_FOLDERS)]
    place = next((one for one in places if (one / "color").is_dir()), None)
    if place is None:
        if with_images is None:
            return _Scene(folder.name, folder, None)
        raise DatasetError(
            f"{folder} has no color/, depth/ and pose/, and there is no "
            f"{_FRAME_FOLDERS[0]}/{folder.name}: export the frames of the scene or unpack "
            f"scannet_frames_25k, or open the data set without images"
        )
    return _Scene(folder.name, folder, find_frames(place))


def _points_of(
    path: Path, vertices: NDArray[np.void]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Points (N, 7) float32 around the middle of the cloud, and T_global_cloud (4, 4)."""
    positions = _positions(vertices)
    if not len(positions) or not np.isfinite(positions).all():
        raise DatasetError(f"{path} has no vertices, or some that are not finite; it is damaged")
    colors = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
    if colors.dtype != np.uint8:
        raise DatasetError(f"{path} has colors of type {colors.dtype}, ScanNet's are uchar, 0-255")
    T_global_cloud = np.eye(4)
    T_global_cloud[:3, 3] = (positions.min(axis=0) + positions.max(axis=0)) / 2
    points = np.zeros((len(positions), 7), dtype=np.float32)
    points[:, :3] = positions - T_global_cloud[:3, 3]
    points[:, 4:] = colors / np.float32(255)
    return points, T_global_cloud


def _check_frames(path: Path, sweep: Sweep, cameras: Sequence[CameraView]) -> None:
    """Refuse frames that measured elsewhere than the cloud is; the first scene is as all others."""
    lowest = np.percentile(sweep.points[:, 2], 1)
    points = sweep.points[sweep.points[:, 2] > lowest + _ABOVE_FLOOR_M, :3]
    num_fitting = num_before = 0
    for view in cameras:
        assert view.depth is not None
        T_camera_cloud = invert(view.T_global_camera) @ sweep.T_global_lidar
        measured, depth = compare_depths(points, T_camera_cloud, view.depth)
        behind_m = depth - measured  # NaN where nothing was measured
        num_fitting += int((np.abs(behind_m) <= view.depth.tolerance_m).sum())
        num_before += int((behind_m < -view.depth.tolerance_m).sum())
    is_fitting = num_fitting > _MIN_FITTING * (num_fitting + num_before)
    if len(points) >= _ENOUGH_POINTS and not is_fitting:
        raise DatasetError(
            f"{path}: its frames measured other surfaces than it has; points lie on them "
            f"{num_fitting} times, and hang before them {num_before} times. Take the cloud as it "
            f"was downloaded, not turned by axisAlignment, and the poses of the same scene"
        )


def _read_labels(scene: _Scene, vertices: NDArray[np.void]) -> NDArray[np.uint8]:
    """Read the labels (N,) uint8 of the vertices of a scene: 20 classes and IGNORE_LABEL."""
    path = scene.folder / _LABELS.format(scene.name)
    labelled = read_ply_vertices(path, ("x", "y", "z", "label"))
    if len(labelled) != len(vertices):
        raise DatasetError(
            f"{path} has {len(labelled)} vertices, but the cloud of the scene has {len(vertices)}; "
            f"both must be of one release, and whole"
        )
    apart_m = np.abs(_positions(labelled) - _positions(vertices)).max(initial=0)
    if not apart_m <= _SAME_PLACE_M:
        raise DatasetError(
            f"{path} has vertices up to {apart_m:.2f} m from those of the cloud: one of the files "
            f"was moved or put in another order; take both of one release"
        )
    raw, label_map = labelled["label"].astype(np.int64), scannet_label_map()
    unknown = raw[(raw < 0) | (raw >= len(label_map))]
    if len(unknown):
        raise DatasetError(
            f"{path} holds the label {unknown[0]}, but NYU's 40 labels are 0 to "
            f"{len(label_map) - 1}; take ScanNet's own file, not one of its raw categories"
        )
    return label_map[raw]


def _positions(vertices: NDArray[np.void]) -> NDArray[np.float64]:
    return np.stack([vertices[name] for name in ("x", "y", "z")], axis=1).astype(np.float64)
