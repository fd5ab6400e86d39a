from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data import superpixels
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps, find_superpixels

needs_scikit_image = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None,
    reason='superpixels need scikit-image: pip install -c constraints.txt ".[train]"',
)


def four_colors(height: int = 90, width: int = 160) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    rows, columns = height // 2, width // 2
    image[:rows, :columns], image[:rows, columns:] = (200, 0, 0), (0, 200, 0)
    image[rows:, :columns], image[rows:, columns:] = (0, 0, 200), (200, 200, 0)
    return image


@needs_scikit_image
def test_a_superpixel_has_one_colour() -> None:
    image = four_colors()
    superpixels = find_superpixels(image, num_segments=30, sigma_px=0.0)
    for number in np.unique(superpixels):
        assert len(np.unique(image[superpixels == number], axis=0)) == 1


@needs_scikit_image
def test_superpixels_are_numbered_from_0_without_gaps() -> None:
    superpixels = find_superpixels(four_colors())
    assert superpixels.shape == (90, 160)
    assert superpixels.dtype == np.int64
    assert np.array_equal(np.unique(superpixels), np.arange(superpixels.max() + 1))


@needs_scikit_image
def test_about_as_many_are_made_as_asked() -> None:
    ramp = np.linspace(0, 255, 160).astype(np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (90, 160, 3)).copy()
    assert 100 <= len(np.unique(find_superpixels(image))) <= 200  # 150 by default
    assert 20 <= len(np.unique(find_superpixels(image, num_segments=30))) <= 40


@needs_scikit_image
def test_the_same_image_gives_the_same_superpixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert np.array_equal(find_superpixels(image), find_superpixels(image))


@needs_scikit_image
def test_compactness_outweighs_colour() -> None:
    image = four_colors()

    def num_mixed(compactness: float) -> int:
        superpixels = find_superpixels(image, 20, compactness, sigma_px=0.0)
        members = [image[superpixels == number] for number in np.unique(superpixels)]
        return sum(len(np.unique(colors, axis=0)) > 1 for colors in members)

    assert num_mixed(1.0) == 0
    assert num_mixed(10_000.0) > 0


@needs_scikit_image
def test_one_pixel_is_one_superpixel() -> None:
    assert find_superpixels(np.zeros((1, 1, 3), dtype=np.uint8)).tolist() == [[0]]


def test_missing_scikit_image_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .* \"\.\[train\]\"") as raised:
        find_superpixels(four_colors())
    assert raised.value.name == "skimage"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
)
def test_other_images_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8 RGB, got \("):
        find_superpixels(image)


def test_there_must_be_a_superpixel() -> None:
    with pytest.raises(ValueError, match="num_segments must be at least 1, got 0"):
        find_superpixels(four_colors(), num_segments=0)


@needs_scikit_image
def test_superpixels_are_made_once(tmp_path, tiny_nuscenes, monkeypatch):
    dataset = NuScenesDataset(tiny_nuscenes)
    sample, digests = dataset.load(1, []), KeyframeDigests(dataset)
    maps = SuperpixelMaps(tmp_path, 9, 6.0, digests)
    made = maps.of(sample)
    for camera, numbers in zip(sample.cameras, made, strict=True):
        wanted = find_superpixels(camera.image, 9, 6.0, 3 * 32 / 900)
        np.testing.assert_array_equal(numbers, wanted)
    monkeypatch.setattr(superpixels, "find_superpixels", None)
    for one, other in zip(made, maps.of(sample), strict=True):
        np.testing.assert_array_equal(one, other)
    assert SuperpixelMaps(tmp_path, 10, 6.0, digests).folder != maps.folder
    (path,) = maps.folder.rglob("*.npz")
    path.write_bytes(b"no numbers")
    with pytest.raises(ValueError, match="damaged superpixels"):
        maps.of(sample)
