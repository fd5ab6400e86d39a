"""A keyframe as pre-training sees it: sweeps, pixel-point pairs, and the grids of the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import SweepsConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.geometry.projection import PixelPointPairs, pair_pixels_with_points
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import CameraView, Sample, Sweep
from clip2scene_core.training.augmentation.clouds import augment_cloud
from clip2scene_core.training.augmentation.images import crop_and_flip
from clip2scene_core.training.pretrain.data.consensus import Consensus
from clip2scene_core.training.pretrain.data.objects import agree_in_objects


@dataclass(frozen=True)
class PairedSample:
    """Point clouds and images of a keyframe, with P pixel-point pairs.

    Attributes:
        token: Token of the keyframe.
        clouds: K clouds (N_k, 4) float32, in the end levelled and augmented: x, y, z in metres,
            intensity in [0, 1]. Each cloud is in the LiDAR frame at its own stamp, or merged in
            that of the keyframe, as `InputConfig` says.
        images: V images (H, W, 3) uint8 RGB, in the end augmented.
        cloud_index: (P,) int64, the cloud of each pair.
        point_index: (P,) int64, the point of each pair in its cloud.
        image_index: (P,) int64, the image of each pair.
        pixels: (P, 2) float32 [u, v], the pixel of each pair in its image.
        metre_px: (P,) float32, pixels of the image, before augmentation, that a metre has at the
            depth of each pair's point; inf where the teacher is to see the whole image.
        grid_index: (P,) int64, the grid of each pair's point, from 0 without gaps. Grids are found
            before augmentation, in the points of all sweeps together.
        superpixel_index: (P,) int64, the superpixel of each pair's pixel before augmentation.
            Images share no number. All are 0 where no superpixels are made.
        labels: (N,) uint8, the consensus label of each point, one cloud after the other;
            IGNORE_LABEL where there is none.
        confidences: (N,) float32 in [0, 1], the confidence of each label; 0 where there is none.
        true_labels: (N,) uint8, the label of each point in the data set; IGNORE_LABEL where there
            is none or, as in pre-training, none was read.
    """

    token: str
    clouds: tuple[NDArray[np.float32], ...]
    images: tuple[NDArray[np.uint8], ...]
    cloud_index: NDArray[np.int64]
    point_index: NDArray[np.int64]
    image_index: NDArray[np.int64]
    pixels: NDArray[np.float32]
    metre_px: NDArray[np.float32]
    grid_index: NDArray[np.int64]
    superpixel_index: NDArray[np.int64]
    labels: NDArray[np.uint8]
    confidences: NDArray[np.float32]
    true_labels: NDArray[np.uint8]

    @property
    def consensus_of_pairs(self) -> NDArray[np.uint8]:
        """(P,) uint8, the consensus label of each pair's point."""
        starts = np.cumsum([0, *(len(cloud) for cloud in self.clouds)])
        return self.labels[starts[self.cloud_index] + self.point_index]


def choose_sweeps(
    dataset: KeyframeDataset, index: int, config: PretrainConfig, generator: np.random.Generator
) -> list[int]:
    """Choose sweeps before a keyframe: 1 is the sweep just before it, see `KeyframeDataset.load`.

    Returns:
        Numbers of sweeps, ascending. There are fewer than the config asks for near the start of a
        scene.
    """
    sweeps = config.sweeps
    if sweeps.choice == "nearest" or sweeps.count == 1:
        return list(range(1, sweeps.count))
    reach = dataset.num_previous(index, sweeps.reach)
    chosen = generator.choice(reach, min(sweeps.count - 1, reach), replace=False)
    return sorted((chosen + 1).tolist())


def pair_sample(
    sample: Sample,
    config: PretrainConfig,
    generator: np.random.Generator,
    superpixels: Sequence[NDArray[np.integer]] = (),
    consensus: Consensus | None = None,
) -> PairedSample:
    """Pair the points of a keyframe's sweeps with the pixels of its images, then augment both.

    Args:
        sample: K sweeps and V cameras.
        config: Ranges, occlusion, grids, augmentation and the network's input.
        generator: Random generator of the augmentation.
        superpixels: See `pair_points`.
        consensus: See `pair_points`.

    Returns:
        The keyframe with P >= 0 pairs.
    """
    return augment_pairs(pair_points(sample, config, superpixels, consensus), config, generator)


def pair_points(
    sample: Sample,
    config: PretrainConfig,
    superpixels: Sequence[NDArray[np.integer]] = (),
    consensus: Consensus | None = None,
) -> PairedSample:
    """Pair the points of a keyframe's sweeps with the pixels of its images.

    Args:
        sample: K sweeps and V cameras.
        config: Ranges, occlusion and grids.
        superpixels: V maps (H, W), each from 0; empty if no loss needs them.
        consensus: Consensus of the keyframe's sequence; None leaves all points without a label.

    Returns:
        The keyframe with P >= 0 pairs; its clouds are neither levelled nor augmented.

    Source: CLIP2Scene (arXiv 2301.04926v1), section 3.2.2: sweeps are registered to the keyframe
    and voxelized together into grids.
    """
    sweeps = [_keep_in_range(sweep, config.sweeps) for sweep in sample.sweeps]
    pairs = pair_pixels_with_points(
        sweeps, sample.cameras, occlusion_margin_m=config.teacher.occlusion_margin_m
    )
    cloud_index, point_index = pairs.sweep_index, pairs.point_index
    T_keyframe_global = invert(sample.keyframe.T_global_lidar)
    registered = [
        transform_points(T_keyframe_global @ sweep.T_global_lidar, sweep.points[:, :3])
        for sweep in sweeps
    ]
    starts = np.cumsum([0, *(len(points) for points in registered)])
    stitched = np.concatenate(registered)
    grid_index = number_grids(
        stitched[starts[cloud_index] + point_index], config.losses.grid_size_m
    )
    clouds = [sweep.points for sweep in sweeps]
    if config.sweeps.is_merged:
        intensity = np.concatenate([sweep.points[:, 3:] for sweep in sweeps])
        clouds = [np.concatenate([stitched.astype(np.float32), intensity], axis=1)]
        point_index, cloud_index = starts[cloud_index] + point_index, np.zeros_like(cloud_index)
    labels, confidences = _label_by_consensus(sweeps, consensus, config)
    return PairedSample(
        token=sample.token,
        clouds=tuple(clouds),
        images=tuple(camera.image for camera in sample.cameras),
        cloud_index=cloud_index,
        point_index=point_index,
        image_index=pairs.camera_index,
        pixels=pairs.pixels,
        metre_px=metre_pixels(pairs, sample.cameras),
        grid_index=grid_index,
        superpixel_index=number_superpixels(pairs.pixels, pairs.camera_index, superpixels),
        labels=labels,
        confidences=confidences,
        true_labels=np.concatenate([_true_labels(sweep) for sweep in sweeps]),
    )


def augment_pairs(
    paired: PairedSample, config: PretrainConfig, generator: np.random.Generator
) -> PairedSample:
    """Augment the clouds and images that `pair_points` paired, and level the clouds.

    Args:
        paired: Keyframe; its arrays are not written to.
        config: Augmentation and the network's input.
        generator: Random generator.

    Source: CLIP2Scene (arXiv 2301.04926v1), section 4.1: each sweep is augmented on its own.
    """
    paired = _augment_clouds(paired, config, generator)
    if config.augmentation.image_flip or config.augmentation.image_crop:
        paired = _augment_images(paired, config, generator)
    return paired


def metre_pixels(pairs: PixelPointPairs, cameras: Sequence[CameraView]) -> NDArray[np.float32]:
    """How many pixels a metre has at the depth of each of P pairs: (P,) float32."""
    focal_px = np.array([camera.intrinsics[1, 1] for camera in cameras], dtype=np.float32)
    metre_px: NDArray[np.float32] = focal_px[pairs.camera_index] / pairs.depth_m
    return metre_px


def number_grids(points: NDArray[np.float64], grid_size_m: float) -> NDArray[np.int64]:
    """Find the grid cell of each point: (P, 3) metres -> (P,) int64, from 0 without gaps."""
    cells = np.floor(points / grid_size_m).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    spans = cells.max(axis=0, initial=0) + 1
    keys = (cells[:, 0] * spans[1] + cells[:, 1]) * spans[2] + cells[:, 2]
    numbers: NDArray[np.int64] = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return numbers


def number_superpixels(
    pixels: NDArray[np.float32],
    image_index: NDArray[np.int64],
    superpixels: Sequence[NDArray[np.integer]],
) -> NDArray[np.int64]:
    """Find the superpixel of each pixel (P, 2) [u, v]: (P,) int64, see `PairedSample`."""
    numbers = np.zeros(len(pixels), dtype=np.int64)
    columns, rows = np.rint(pixels).astype(np.int64).T
    first = 0
    for number, superpixel_map in enumerate(superpixels):
        is_in_image = image_index == number
        numbers[is_in_image] = first + superpixel_map[rows[is_in_image], columns[is_in_image]]
        first += int(superpixel_map.max()) + 1
    return numbers


def is_in_range(points: NDArray[np.float32], config: SweepsConfig) -> NDArray[np.bool_]:
    """Tell which points (N, 4) are within range: (N,) bool.

    Points on the vehicle itself are too near. Points that are not finite are not within range.
    """
    range_m = np.linalg.norm(points[:, :3], axis=1)
    within: NDArray[np.bool_] = (range_m >= config.min_range_m) & (range_m <= config.max_range_m)
    return within


def _keep_in_range(sweep: Sweep, config: SweepsConfig) -> Sweep:
    kept = is_in_range(sweep.points, config)
    labels = None if sweep.labels is None else sweep.labels[kept]
    return replace(sweep, points=sweep.points[kept], labels=labels)


def _true_labels(sweep: Sweep) -> NDArray[np.uint8]:
    """The labels of a sweep (N,) uint8, IGNORE_LABEL if it has none."""
    if sweep.labels is None:
        return np.full(len(sweep.points), IGNORE_LABEL, dtype=np.uint8)
    return sweep.labels


def _label_by_consensus(
    sweeps: Sequence[Sweep], consensus: Consensus | None, config: PretrainConfig
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Look up the consensus of all points, one sweep after the other.

    Returns:
        Labels (N,) uint8 and confidences (N,) float32 in [0, 1].
    """
    if consensus is None:
        num_points = sum(len(sweep.points) for sweep in sweeps)
        nothing = np.full(num_points, IGNORE_LABEL, dtype=np.uint8)
        return nothing, np.zeros(num_points, dtype=np.float32)
    objects, agree = config.consensus, None
    if objects.object_gap_m:
        agree = partial(
            agree_in_objects,
            is_ground=np.isin(config.class_of_text, objects.ground),
            gap_m=objects.object_gap_m,
            size_m=objects.object_size_m,
        )
    found = [
        consensus.label(transform_points(s.T_global_lidar, s.points[:, :3]), s.stamp_ns, agree)
        for s in sweeps
    ]
    labels, confidences = zip(*found, strict=True)
    return np.concatenate(labels), np.concatenate(confidences)


def _augment_clouds(
    paired: PairedSample, config: PretrainConfig, generator: np.random.Generator
) -> PairedSample:
    """Augment every cloud. Points that are dropped take their pairs and labels with them."""
    augmentation = config.augmentation
    augmented = [
        augment_cloud(cloud, augmentation, config.input, generator, augmentation.cloud)
        for cloud in paired.clouds
    ]
    starts = np.cumsum([0, *(len(cloud) for cloud in paired.clouds)])
    new_row = np.full(starts[-1], -1, dtype=np.int64)  # -1: dropped
    for start, (_, kept) in zip(starts, augmented, strict=False):
        new_row[start + kept] = np.arange(len(kept))
    point_index = new_row[starts[paired.cloud_index] + paired.point_index]
    paired = replace(
        paired,
        clouds=tuple(cloud for cloud, _ in augmented),
        point_index=point_index,
        labels=paired.labels[new_row >= 0],
        confidences=paired.confidences[new_row >= 0],
        true_labels=paired.true_labels[new_row >= 0],
    )
    return _keep_pairs(paired, point_index >= 0)


def _keep_pairs(paired: PairedSample, is_kept: NDArray[np.bool_]) -> PairedSample:
    """Drop pairs, (P,) bool. Grids are numbered anew, without gaps."""
    return replace(
        paired,
        cloud_index=paired.cloud_index[is_kept],
        point_index=paired.point_index[is_kept],
        image_index=paired.image_index[is_kept],
        pixels=paired.pixels[is_kept],
        metre_px=paired.metre_px[is_kept],
        grid_index=np.unique(paired.grid_index[is_kept], return_inverse=True)[1].astype(np.int64),
        superpixel_index=paired.superpixel_index[is_kept],
    )


def _augment_images(
    paired: PairedSample, config: PretrainConfig, generator: np.random.Generator
) -> PairedSample:
    """Crop and mirror every image. Drop the pairs whose pixel is outside afterwards."""
    pixels = paired.pixels.copy()
    is_kept = np.ones(len(pixels), dtype=np.bool_)
    images: Sequence[NDArray[np.uint8]] = []
    for number, image in enumerate(paired.images):
        pairs_of_image = np.flatnonzero(paired.image_index == number)
        augmented, moved, is_inside = crop_and_flip(
            image,
            pixels[pairs_of_image],
            generator,
            may_crop=config.augmentation.image_crop,
            may_flip=config.augmentation.image_flip,
        )
        images = [*images, augmented]
        pixels[pairs_of_image], is_kept[pairs_of_image] = moved, is_inside
    return _keep_pairs(replace(paired, images=tuple(images), pixels=pixels), is_kept)
