"""Which network a released checkpoint is, and which voxels it was trained on."""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor

from clip2scene_core.checkpoint import CheckpointError
from clip2scene_core.config.sections import NetworkConfig, VoxelsConfig
from clip2scene_core.network.minkunet import MINKUNET_PLANS
from clip2scene_core.official.pickled import PickledWeights

_STEM_PLANES: Final = 32
_SPVCNN_STEM: Final = "stem.0.kernel"
_MINKUNET_STEM: Final = "conv0p1s1.kernel"


def network_of(weights: PickledWeights) -> NetworkConfig:
    """Describe the network of a released checkpoint.

    Its width is read off the first convolution, MinkUNet's blocks off their names, the edge and
    the kind of the voxels off the settings in the file. What has no setting is what the released
    code does: edges of 0.1 m, or 0.05 m for SPVNAS' networks, which know positions, too; the first
    point of a voxel; and in SPVCNN voxels as points, corners, and a grid at the lowest voxel.

    Args:
        weights: From `read_pickled`.

    Raises:
        CheckpointError: If it is neither SPVCNN nor MinkUNet, or needs inputs that this package
            does not compute.
    """
    settings = weights.settings
    if _SPVCNN_STEM in weights.state:
        name, stem = "spvcnn", weights.state[_SPVCNN_STEM]
    elif _MINKUNET_STEM in weights.state:
        name, stem = _minkunet_name(weights), weights.state[_MINKUNET_STEM]
    else:
        names = ", ".join(list(weights.state)[:4])
        raise CheckpointError(
            f"{weights.path}: neither SPVCNN ({_SPVCNN_STEM}) nor MinkUNet ({_MINKUNET_STEM}); it "
            f"holds {names} and so on"
        )
    if stem.ndim != 3 or len(stem) != 27:
        raise CheckpointError(
            f"{weights.path}: its first kernel is {tuple(stem.shape)}; networks whose first "
            f"convolution is 3x3x3, which is (27, in, out), can be imported"
        )
    if settings.get("use_intensity", True) is not True:
        raise CheckpointError(
            f"{weights.path}: trained without intensity (use_intensity: false), on ones; this "
            f"package has no such input"
        )
    features = _features(weights, stem)
    has_position = "position" in features
    is_kitti = str(settings.get("dataset", "nuscenes")).lower() == "kitti"
    return NetworkConfig(
        name=name,
        width=stem.shape[2] / _STEM_PLANES,
        voxel_size_m=_voxel_size(weights, 0.05 if has_position else 0.1),
        features=features,
        # nuScenes' intensities go to 255; on KITTI, where they are in [0, 1], CLIP2Scene and SLidR
        # add 1, and SPVNAS takes them as they are.
        intensity_scale=1.0 if is_kitti or has_position else 255.0,
        intensity_offset=1.0 if is_kitti and not has_position else 0.0,
        voxels=_voxels(name, settings),
    )


def _minkunet_name(weights: PickledWeights) -> str:
    num_blocks = tuple(
        sum(f"block{stage}.{block}.conv1.kernel" in weights.state for block in range(64))
        for stage in range(1, 9)
    )
    for name, plan in MINKUNET_PLANS.items():
        if plan.num_blocks == num_blocks:
            return name
    raise CheckpointError(
        f"{weights.path}: its stages have {num_blocks} blocks, which is none of "
        f"{', '.join(MINKUNET_PLANS)}"
    )


def _features(weights: PickledWeights, stem: Tensor) -> tuple[str, ...]:
    if stem.shape[1] == 1:
        return ("intensity",)
    if stem.shape[1] == 4 and _SPVCNN_STEM in weights.state:
        return ("position", "intensity")
    raise CheckpointError(
        f"{weights.path}: its points have {stem.shape[1]} features, such as colors; networks of "
        f"intensity, and SPVNAS' of position and intensity, can be imported"
    )


def _voxel_size(weights: PickledWeights, default: float) -> float:
    value = weights.settings.get("voxel_size", default)
    if not isinstance(value, (int, float)) or not value > 0:
        raise CheckpointError(f"{weights.path}: its voxel_size is {value!r}, not positive metres")
    return float(value)


def _voxels(name: str, settings: dict[str, Any]) -> VoxelsConfig:
    # SLidR's networks are trained on cylindrical voxels unless their file says otherwise.
    is_cylindrical = settings.get("cylindrical_coordinates", name != "spvcnn")
    coordinates = "cylindrical" if is_cylindrical else "cartesian"
    if name == "spvcnn":
        return VoxelsConfig(coordinates, "minimum", "first", "voxels", "corner")
    return VoxelsConfig(coordinates, value="first")
