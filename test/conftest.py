"""Fixtures shared by the test files: a tiny data set, a tiny student, the real keyframe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkout import SHARED_DATA
from PIL import Image
from tiny_kitti import write_tiny_kitti
from tiny_scannet import write_tiny_scannet
from tiny_words import TINY_WORDS

from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.labels import NUSCENES_RAW_CATEGORIES
from clip2scene_core.network.student import Student
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer
from clip2scene_core.teacher.small_clip import (
    SmallClipFile,
    SmallClipShape,
    build_small_clip,
    save_small_clip,
)

pytest.register_assert_rewrite("transform_contract")

REAL_KEYFRAME = SHARED_DATA / "nuscenes_keyframe"

HALF = 0.5**0.5
CALIBRATIONS = {  # channel: quaternion w x y z, translation in the ego frame
    "LIDAR_TOP": ([HALF, 0, 0, -HALF], [1.0, 0.0, 2.0]),  # x right, y forward, z up
    "CAM_FRONT": ([0.5, -0.5, 0.5, -0.5], [1.5, 0.0, 1.5]),  # x right, y down, z forward
    "CAM_BACK": ([0.5, -0.5, -0.5, 0.5], [-0.5, 0.0, 1.5]),
}
INTRINSICS = [[30.0, 0.0, 28.0], [0.0, 30.0, 16.0], [0.0, 0.0, 1.0]]
IMAGE_SIZE = (32, 56)
START_US = 1_500_000_000_000_000
SPEED_MPS = 10.0
STAMPS_US = {  # microseconds after the start; the first and the last reading are keyframes
    "LIDAR_TOP": [0, 100_000, 200_000, 300_000, 400_000, 500_000],
    "CAM_FRONT": [-20_000, 230_000, 480_000],
    "CAM_BACK": [-10_000, 240_000, 490_000],
}


@pytest.fixture(scope="session")
def real_keyframe() -> Path:
    """Root of the real nuScenes keyframe; skips where the shared data are not checked out."""
    if not REAL_KEYFRAME.is_dir():
        pytest.skip("the real nuScenes keyframe is not beside this repository")
    return REAL_KEYFRAME


@pytest.fixture
def tiny_checkpoint() -> Checkpoint:
    """An untrained student of the smallest size: 3 classes, 16 embedding dimensions."""
    torch.manual_seed(0)
    prompts = ("car", "road", "tree")
    config = PretrainConfig(
        classes=prompts, prompts=prompts, network=NetworkConfig(width=0.125, voxel_size_m=0.5)
    )
    return Checkpoint(
        Student(config.network, 16).eval().requires_grad_(False),
        make_vocabulary(prompts, torch.eye(16)[:3]),
        config,
        ("a", "b"),
        {},
    )


@pytest.fixture
def tiny_clip(tmp_path: Path) -> Path:
    """An untrained small CLIP that knows three words."""
    shape = SmallClipShape(
        layers=(1, 1, 1, 1), width=8, head_width=32, embedding_size=16, text_width=16,
        text_layers=1, text_heads=1, image_height=32,
    )  # fmt: skip
    words = CompactBytePairTokenizer.of_captions(TINY_WORDS, PROMPT_TEMPLATES, shape.context_length)
    torch.manual_seed(0)
    model = build_small_clip(shape, words.size)
    path = tmp_path / "clip.safetensors"
    save_small_clip(path, SmallClipFile(model, shape, words, (0.5,) * 3, (0.5,) * 3, {}))
    return path


@pytest.fixture
def tiny_nuscenes(tmp_path: Path) -> Path:
    """Root of a data set in nuScenes' format, written by hand.

    One scene "scene-0001": 2 keyframes half a second apart, 6 sweeps of 48 points at 10 Hz, two
    cameras of 32 x 56 pixels with one picture in between, lidarseg labels of both keyframes. The
    car starts at x = 100 m, y = 50 m and drives along x at 10 m/s.
    """
    root = tmp_path / "tiny"
    (root / "v1.0-tiny").mkdir(parents=True)
    tables: dict[str, list[dict[str, object]]] = {
        "scene": [{"token": "scene-a", "name": "scene-0001", "nbr_samples": 2}],
        "sample": [
            {"token": "sample-1", "timestamp": START_US + 500_000, "scene_token": "scene-a"},
            {"token": "sample-0", "timestamp": START_US, "scene_token": "scene-a"},
        ],
        "category": [
            {"token": f"category-{index}", "name": name, "index": index}
            for index, name in enumerate(NUSCENES_RAW_CATEGORIES)
        ],
        "sensor": [{"token": "sensor-RADAR", "channel": "RADAR_FRONT", "modality": "radar"}],
        "calibrated_sensor": [
            {
                "token": "calibration-RADAR",
                "sensor_token": "sensor-RADAR",
                "rotation": [1, 0, 0, 0],
                "translation": [3.0, 0.0, 0.5],
                "camera_intrinsic": [],
            }
        ],
        "sample_data": [
            {
                "token": "radar-0",
                "sample_token": "sample-0",
                "ego_pose_token": "never written",
                "calibrated_sensor_token": "calibration-RADAR",
                "timestamp": START_US,
                "is_key_frame": True,
                "filename": "samples/RADAR_FRONT/0.pcd",
                "prev": "",
            }
        ],
        "ego_pose": [],
        "lidarseg": [],
    }
    for channel in CALIBRATIONS:
        _write_sensor(root, tables, channel)
    for name, rows in tables.items():
        (root / "v1.0-tiny" / f"{name}.json").write_text(json.dumps(rows))
    return root


@pytest.fixture
def other_nuscenes(tiny_nuscenes: Path, tmp_path: Path) -> Path:
    """`tiny_nuscenes` again: other tokens of scene and keyframes, points moved by 1 m along x."""
    root = tmp_path / "other"
    shutil.copytree(tiny_nuscenes, root)
    for table in (root / "v1.0-tiny").glob("*.json"):
        text = table.read_text().replace("scene-a", "scene-b").replace("sample-", "keyframe-")
        table.write_text(text)
    for file in (root / "samples/LIDAR_TOP").iterdir():
        points = np.fromfile(file, dtype=np.float32).reshape(-1, 5)
        points[:, 0] += 1
        points.tofile(file)
    return root


@pytest.fixture
def tiny_kitti(tmp_path: Path) -> Path:
    """Root of a data set in SemanticKITTI's layout, written by hand; see `write_tiny_kitti`."""
    return write_tiny_kitti(tmp_path / "kitti")


@pytest.fixture
def tiny_scannet(tmp_path: Path) -> Path:
    """Root of a data set in ScanNet's layout, written by hand; see `write_tiny_scannet`."""
    return write_tiny_scannet(tmp_path / "scannet")


def _write_sensor(root: Path, tables: dict[str, list[dict[str, object]]], channel: str) -> None:
    rotation, translation = CALIBRATIONS[channel]
    is_camera = channel.startswith("CAM")
    tables["sensor"].append({"token": f"sensor-{channel}", "channel": channel})
    tables["calibrated_sensor"].append(
        {
            "token": f"calibration-{channel}",
            "sensor_token": f"sensor-{channel}",
            "rotation": rotation,
            "translation": translation,
            "camera_intrinsic": INTRINSICS if is_camera else [],
        }
    )
    stamps_us = STAMPS_US[channel]
    for index, stamp_us in enumerate(stamps_us):
        token = f"{channel}-{index}"
        is_key_frame = index in (0, len(stamps_us) - 1)
        folder = f"{'samples' if is_key_frame else 'sweeps'}/{channel}"
        filename = f"{folder}/{index}.{'jpg' if is_camera else 'pcd.bin'}"
        tables["sample_data"].append(
            {
                "token": token,
                "sample_token": f"sample-{0 if stamp_us < 250_000 else 1}",
                "ego_pose_token": f"pose-{token}",
                "calibrated_sensor_token": f"calibration-{channel}",
                "timestamp": START_US + stamp_us,
                "is_key_frame": is_key_frame,
                "height": IMAGE_SIZE[0] if is_camera else 0,
                "width": IMAGE_SIZE[1] if is_camera else 0,
                "filename": filename,
                "prev": f"{channel}-{index - 1}" if index else "",
            }
        )
        tables["ego_pose"].append(
            {
                "token": f"pose-{token}",
                "timestamp": START_US + stamp_us,
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "translation": [100.0 + SPEED_MPS * stamp_us / 1e6, 50.0, 0.0],
            }
        )
        (root / folder).mkdir(parents=True, exist_ok=True)
        if is_camera:
            _picture(index).save(root / filename, quality=95)
            continue
        _points(index).tofile(root / filename)
        if is_key_frame:
            _write_labels(root, tables, token)


def _write_labels(root: Path, tables: dict[str, list[dict[str, object]]], token: str) -> None:
    filename = f"lidarseg/v1.0-tiny/{token}_lidarseg.bin"
    tables["lidarseg"].append({"token": token, "sample_data_token": token, "filename": filename})
    (root / filename).parent.mkdir(parents=True, exist_ok=True)
    (np.arange(48) % len(NUSCENES_RAW_CATEGORIES)).astype(np.uint8).tofile(root / filename)


def _points(index: int) -> np.ndarray:
    """(48, 5) float32, different in every sweep; every camera sees some of them."""
    random = np.random.default_rng(index)
    angle = np.arange(48) * (2 * np.pi / 48)
    distance = random.uniform(5, 30, 48)
    return np.column_stack(
        [
            distance * np.sin(angle),
            distance * np.cos(angle),
            random.uniform(-1.8, 1.0, 48),
            random.integers(0, 256, 48),
            np.arange(48) % 32,
        ]
    ).astype(np.float32)


def _picture(index: int) -> Image.Image:
    rows, columns = np.mgrid[: IMAGE_SIZE[0], : IMAGE_SIZE[1]]
    channels = [rows * 7, columns * 4, np.full(IMAGE_SIZE, 40 * index + 60)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
