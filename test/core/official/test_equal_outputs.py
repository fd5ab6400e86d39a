"""A converted checkpoint says what the released code says, and needs every option for that."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official_forward import minkunet_forward, quantize, spvcnn_forward
from official_states import clip2scene_state, slidr_state, spvcnn_trunk, write_pickled

from clip2scene_core.checkpoint import Checkpoint, Trunk
from clip2scene_core.config.sections import NetworkConfig, VoxelsConfig
from clip2scene_core.network.student import Student, run_network
from clip2scene_core.official.convert import import_checkpoint


@pytest.fixture(scope="module")
def sweep() -> NDArray[np.float32]:
    """250 points around the LiDAR, some of them in one voxel, at no multiple of 0.1 m."""
    generator = np.random.default_rng(3)
    centers = generator.uniform(-2.5, 2.5, (60, 3))
    spread = generator.normal(0, 0.06, (250, 3))
    points = centers[generator.integers(0, 60, 250)] + spread
    intensity = generator.integers(0, 256, 250) / 255
    return np.column_stack([points, intensity]).astype(np.float32)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path = tmp_path_factory.mktemp("clip2scene") / "model.pt"
    result = import_checkpoint(write_pickled(path, clip2scene_state())).result
    assert isinstance(result, Checkpoint)
    return result


@pytest.fixture(scope="module")
def expected(sweep: NDArray[np.float32]) -> NDArray[np.float64]:
    return spvcnn_forward(clip2scene_state(), sweep, "point_mapping_global")


def embed(student: Student, sweep: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    points = torch.from_numpy(sweep)
    with torch.inference_mode():
        heads = student(points, torch.zeros(len(points), dtype=torch.int64))
    return tuple(head.numpy() for head in heads)


def error_of(found: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    """Largest difference, relative to the size of the numbers."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_the_sweep_holds_what_the_options_are_about(sweep):
    voxels, own = quantize(sweep, 0.1, from_minimum=True)
    assert len(voxels) < len(own) - 20  # several points in a voxel
    assert len({tuple(c // 16 for c in cell) for cell in voxels}) > 8
    assert (sweep[:, :3].min(axis=0) < -1).all()


def test_a_converted_student_says_what_the_released_code_says(student, sweep, expected):
    semantic, spatial = embed(student.student, sweep)
    assert expected.std(axis=0).min() > 0.01  # different points, different answers
    assert error_of(semantic, expected) < 1e-5
    local = spvcnn_forward(clip2scene_state(), sweep, "point_mapping_local")
    assert error_of(spatial, local) < 1e-5


def test_two_clouds_of_a_batch_are_as_each_alone(student, sweep, expected):
    other = sweep[:100] + np.float32([30.04, -7.03, 2.01, 0])
    both = torch.from_numpy(np.concatenate([sweep, other]))
    batch_index = torch.tensor([1] * len(sweep) + [0] * len(other))
    with torch.inference_mode():
        together = student.student.embed_semantics(both, batch_index).numpy()
    assert error_of(together[:250], expected) < 1e-5
    far = spvcnn_forward(clip2scene_state(), other, "point_mapping_global")
    assert error_of(together[250:], far) < 1e-5


@pytest.mark.parametrize(
    "changed",
    [
        {"intensity_scale": 1.0},
        {"intensity_offset": 1.0},
        {"voxels": {"value": "mean"}},
        {"voxels": {"points": "all"}},
        {"voxels": {"weights": "center"}},
        {"voxels": {"origin": "sensor"}},
        {"voxels": {"coordinates": "cylindrical"}},
    ],
    ids=str,
)
def test_each_option_is_needed(student, sweep, expected, changed):
    config = student.config.network
    voxels = dataclasses.replace(config.voxels, **changed.get("voxels", {}))
    other = Student(dataclasses.replace(config, **{**changed, "voxels": voxels}), 12)
    other.load_state_dict(student.student.state_dict())
    assert error_of(embed(other.eval(), sweep)[0], expected) > 1e-3


@pytest.mark.parametrize("cylindrical", [True, False])
def test_a_converted_minkunet_says_what_the_released_code_says(tmp_path, sweep, cylindrical):
    settings = {"voxel_size": 0.1, "cylindrical_coordinates": cylindrical}
    path = write_pickled(tmp_path / "slidr.pt", slidr_state(), config=settings)
    trunk = import_checkpoint(path).result
    assert isinstance(trunk, Trunk)
    points = torch.from_numpy(sweep)
    with torch.inference_mode():
        features = run_network(
            trunk.network, trunk.config, points, torch.zeros(len(points), dtype=torch.int64)
        )
    expected = minkunet_forward(slidr_state(), sweep, cylindrical)
    assert expected.std(axis=0).max() > 0.01
    assert error_of(features.numpy(), expected) < 1e-5


def test_the_published_network_has_319_tensors(tmp_path):
    """At its own size: 313 of them are of the trunk and 6 of heads and words; all are taken."""
    state = clip2scene_state(width=1.0, embedding_size=512)
    trunk = spvcnn_trunk(width=1.0)
    imported = import_checkpoint(write_pickled(tmp_path / "model.pt", state)).result
    assert isinstance(imported, Checkpoint)
    assert len(imported.student.state_dict()) == len(trunk) + 4 == 319
    assert imported.config.network == NetworkConfig(
        intensity_scale=255.0,
        voxels=VoxelsConfig("cartesian", "minimum", "first", "voxels", "corner"),
    )
