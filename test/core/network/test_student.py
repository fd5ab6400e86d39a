import dataclasses

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_clouds import count_parameters
from street_sweep import street_points

from clip2scene_core import load_segmenter
from clip2scene_core.checkpoint import (
    SMALL_STUDENT,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from clip2scene_core.config.parser import build_config
from clip2scene_core.config.sections import (
    NETWORK_NAMES,
    ConfigError,
    InputConfig,
    NetworkConfig,
    VoxelsConfig,
)
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.network.student import Student
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.sparse.voxelize import voxelize

ONE_SWEEP = torch.zeros(5760, dtype=torch.int64)


def with_network(checkpoint: Checkpoint, network: NetworkConfig) -> Checkpoint:
    """The same classes with another student, untrained."""
    torch.manual_seed(0)
    return dataclasses.replace(
        checkpoint,
        student=Student(network, 16).eval().requires_grad_(False),
        config=dataclasses.replace(checkpoint.config, network=network),
    )


def test_the_papers_student_has_the_papers_size() -> None:
    student = Student(NetworkConfig(features=("intensity",)), 512)
    assert count_parameters(student.network) == 21_718_880 + 54_688
    assert count_parameters(student.semantic_head) == 480 * 512 + 512
    # The paper's code counts 22,520,561, with two layers that its losses do not use: a third head,
    # and a classifier of 17 classes.
    unused = (480 * 512 + 512) + (480 * 17 + 17)
    assert count_parameters(student) == 22_520_561 - unused


@pytest.mark.parametrize("name", NETWORK_NAMES)
@pytest.mark.parametrize("features", [("intensity",), ("offsets", "intensity", "height")])
def test_a_student_of_any_network_and_input_comes_back_from_its_checkpoint(
    tmp_path, tiny_checkpoint, name, features
):
    network = NetworkConfig(name, width=0.125, voxel_size_m=0.5, features=features)
    checkpoint = with_network(tiny_checkpoint, network)
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert loaded.config.network == network
    points = torch.from_numpy(street_points())
    embeddings = loaded.student.embed_semantics(points, ONE_SWEEP)
    assert embeddings.shape == (5760, 16)
    assert embeddings.std(dim=0).max() > 1e-4
    assert torch.equal(embeddings, checkpoint.student.embed_semantics(points, ONE_SWEEP))
    semantic, spatial = loaded.student(points, ONE_SWEEP)
    assert torch.equal(embeddings, semantic)
    assert spatial.shape == semantic.shape
    assert not torch.equal(spatial, semantic)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "minkunet18"},
        {"name": "spvcnn"},
        {"width": 0.25},
        {"features": ("intensity", "height")},
    ],
    ids=str,
)
def test_weights_of_another_network_are_refused(tmp_path, tiny_checkpoint, other):
    network = NetworkConfig("minkunet14", width=0.125, voxel_size_m=0.5)
    checkpoint = with_network(tiny_checkpoint, network)
    path = tmp_path / "student.safetensors"
    config = dataclasses.replace(checkpoint.config, network=dataclasses.replace(network, **other))
    save_checkpoint(path, dataclasses.replace(checkpoint, config=config))
    with pytest.raises(CheckpointError, match="weights do not fit their configuration"):
        load_checkpoint(path)


def test_a_network_that_there_is_not_is_refused(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    metadata["description"] = metadata["description"].replace('"spvcnn"', '"resnet"')
    save_file(load_file(path), path, metadata)
    with pytest.raises(CheckpointError, match=r"network\.name must be one of spvcnn.*'resnet'"):
        load_checkpoint(path)


def test_the_order_of_the_input_is_the_order_of_the_weights(tiny_checkpoint):
    """Reordered features with reordered weights are the same student."""
    features = ("intensity", "height", "offsets")
    network = NetworkConfig("minkunet14", width=0.125, voxel_size_m=0.5, features=features)
    one = with_network(tiny_checkpoint, network).student
    reordered = dataclasses.replace(network, features=("offsets", "intensity", "height"))
    other = Student(reordered, 16).eval()
    weights = one.state_dict()
    first = "network.stem.conv.weight"
    weights[first] = weights[first][:, [2, 3, 4, 0, 1]]
    other.load_state_dict(weights)
    points = torch.from_numpy(street_points())
    torch.testing.assert_close(
        other.embed_semantics(points, ONE_SWEEP), one.embed_semantics(points, ONE_SWEEP)
    )


def test_the_shipped_student_labels_as_it_was_trained():
    """Network and input are written out here, whatever the defaults are."""
    weights = load_file(SMALL_STUDENT)
    told = InputConfig(level=True, sensor_height_m=1.84, intensity="rank")
    points = torch.from_numpy(preprocess(street_points(), told).points)
    voxels = voxelize(points[:, :3], ONE_SWEEP, 0.2)
    offsets = points[:, :3] / 0.2 - 0.5
    described = torch.cat([points[:, 3:4], points[:, 2:3] / 4.0, offsets - offsets.round()], dim=1)
    network = SPVCNN(5, 0.25).eval()
    prefix = "student.network."
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    )
    with torch.no_grad():
        embeddings = torch.nn.functional.linear(
            network(voxels, described),
            weights["student.semantic_head.weight"],
            weights["student.semantic_head.bias"],
        )
    segmenter = load_segmenter("small")
    words = segmenter.vocabulary
    cosines = torch.nn.functional.normalize(embeddings, dim=1) @ words.embeddings.T
    of_texts = torch.softmax(cosines / 0.07, dim=1)
    of_classes = torch.zeros(len(points), len(words.names))
    expected = of_classes.index_add(1, words.label_of_text, of_texts).argmax(dim=1)
    labels = torch.from_numpy(segmenter.segment(street_points()).labels)
    assert len(labels.unique()) >= 3
    assert torch.equal(labels.long(), expected)


def test_each_loss_has_a_linear_layer_of_its_own():
    student = Student(NetworkConfig(width=0.125), 4)
    features = torch.randn(5, student.network.out_features)
    semantic, spatial = student.semantic_head(features), student.spatial_head(features)
    assert semantic.shape == spatial.shape == (5, 4)
    assert student.semantic_head(features[:0]).shape == (0, 4)
    assert not torch.equal(semantic, spatial)


def test_all_points_of_a_voxel_get_one_output_if_voxels_are_points() -> None:
    torch.manual_seed(0)
    voxels = VoxelsConfig(value="first", points="voxels")
    student = Student(NetworkConfig(width=0.125, voxel_size_m=0.5, voxels=voxels), 4).eval()
    points = torch.tensor([[0.1, 0.1, 0.1, 0.9], [0.4, 0.2, 0.3, 0.0], [2.1, 0.0, 0.0, 0.3]])
    batch_index = torch.zeros(3, dtype=torch.int64)
    with torch.inference_mode():
        output = student.embed_semantics(points, batch_index)
        points[1, 3] = 0.7  # not the first of its voxel
        assert torch.equal(student.embed_semantics(points, batch_index), output)
        points[0, 3] = 0.1
        assert not torch.equal(student.embed_semantics(points, batch_index), output)
        empty = student.embed_semantics(points[:0], batch_index[:0])
    assert torch.equal(output[0], output[1])
    assert not torch.equal(output[0], output[2])
    assert empty.shape == (0, 4)


def test_every_weight_learns_with_the_released_codes_voxels() -> None:
    torch.manual_seed(0)
    voxels = VoxelsConfig("cartesian", "minimum", "first", "voxels", "corner")
    student = Student(NetworkConfig(width=0.125, voxel_size_m=0.5, voxels=voxels), 4)
    points = torch.from_numpy(street_points())
    semantic, spatial = student(points, ONE_SWEEP)
    (semantic.square().sum() + spatial.square().sum()).backward()
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_intensities_are_scaled_and_shifted_before_the_network() -> None:
    torch.manual_seed(0)
    plain = Student(NetworkConfig(width=0.125, voxel_size_m=0.5), 4).eval()
    scaled = Student(
        NetworkConfig(width=0.125, voxel_size_m=0.5, intensity_scale=2.0, intensity_offset=-0.25), 4
    ).eval()
    scaled.load_state_dict(plain.state_dict())
    points = torch.from_numpy(street_points())
    told = points.clone()
    told[:, 3] = told[:, 3] * 2 - 0.25
    with torch.inference_mode():
        assert torch.equal(
            scaled.embed_semantics(points, ONE_SWEEP), plain.embed_semantics(told, ONE_SWEEP)
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"intensity_scale": 0.0}, "intensity_scale must be positive"),
        ({"voxels": {"origin": "middle"}}, "voxels.origin must be one of sensor, minimum"),
        (
            {"voxels": {"coordinates": "cylindrical"}, "features": ["offsets"]},
            "cannot hold offsets",
        ),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config(NetworkConfig(), values, "test")
