"""Released checkpoints of every kind, whole and broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from official_states import clip2scene_state, slidr_state, spvcnn_trunk, write_pickled

from clip2scene_core.checkpoint import (
    Checkpoint,
    CheckpointError,
    Trunk,
    load_checkpoint,
    save_checkpoint,
)
from clip2scene_core.config.sections import NetworkConfig, VoxelsConfig
from clip2scene_core.inference.segmenter import load_segmenter
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.official.convert import import_checkpoint

SETTINGS = {
    "dataset": "nuscenes", "voxel_size": 0.2, "cylindrical_coordinates": False,
    "crop_size": [224, 416], "text_embeddings_path": "/data/text.pth", "resume_path": None,
}  # fmt: skip


def import_student(path: Path, **state_options: int) -> Checkpoint:
    result = import_checkpoint(write_pickled(path, clip2scene_state(**state_options))).result
    assert isinstance(result, Checkpoint)
    return result


def test_a_student_labels_with_the_words_of_its_checkpoint(tmp_path, make_points):
    state = clip2scene_state()
    path = write_pickled(tmp_path / "model.pt", state, config=SETTINGS, epoch=20)
    imported = import_checkpoint(path)
    assert imported.set_aside == ("classifier", "point_mapping_global_random")
    out = tmp_path / "student.safetensors"
    save_checkpoint(out, imported.result)
    loaded = load_checkpoint(out)
    assert loaded.vocabulary.names == tuple(c.name for c in NUSCENES_CLASSES)
    assert loaded.vocabulary.prompts[7:9] == ("traffic_cone", "trailer")
    torch.testing.assert_close(loaded.vocabulary.embeddings, state["text_embeddings"][1:])
    assert loaded.config.teacher.clip == "ViT-B-16/openai"
    assert loaded.config.network.voxel_size_m == 0.2
    assert loaded.record["imported"]["settings"] == {
        "dataset": "nuscenes", "voxel_size": 0.2, "cylindrical_coordinates": False,
        "crop_size": [224, 416], "resume_path": None,
    }  # fmt: skip
    segmenter = load_segmenter(out, min_range_m=0, ego_radius_m=0)
    points = make_points()
    labels = segmenter.segment(points).labels
    with torch.inference_mode():
        embeddings = loaded.student.embed_semantics(
            torch.from_numpy(points), torch.zeros(len(points), dtype=torch.int64)
        )
    # The released code compares without any scaling, which decides nothing.
    official = (embeddings @ state["text_embeddings"][1:].T).argmax(dim=1)
    assert (torch.from_numpy(labels).long() == official).float().mean() > 0.99
    assert len(set(labels.tolist())) > 1


@pytest.fixture
def make_points():
    def make(count: int = 200):
        generator = torch.Generator().manual_seed(1)
        points = 6 * torch.rand(count, 4, generator=generator) - 3
        points[:, 3] = torch.rand(count, generator=generator)
        return points.numpy()

    return make


def test_the_words_of_semantic_kitti_and_of_anybody(tmp_path):
    kitti = write_pickled(
        tmp_path / "kitti.pt", clip2scene_state(num_texts=19), config={"dataset": "kitti"}
    )
    result = import_checkpoint(kitti).result
    assert result.vocabulary.names[4] == "other vehicle"
    network = result.config.network
    assert (network.intensity_scale, network.intensity_offset) == (1.0, 1.0)
    few = write_pickled(tmp_path / "few.pt", clip2scene_state(num_texts=3))
    with pytest.raises(CheckpointError, match="has 3 embeddings of words; name the words with"):
        import_checkpoint(few)
    with pytest.raises(CheckpointError, match="has 3 embeddings of words, got 2 words"):
        import_checkpoint(few, ["tram", "rail"])
    result = import_checkpoint(few, ["tram", "rail", "mast"], "ViT-L-14/openai").result
    assert result.vocabulary.names == result.config.prompts == ("tram", "rail", "mast")
    assert result.config.teacher.clip == "ViT-L-14/openai"


def test_texts_without_the_row_of_zeros_are_all_taken(tmp_path):
    state = clip2scene_state()
    state["text_embeddings"] = 3 * state["text_embeddings"][1:]
    result = import_checkpoint(write_pickled(tmp_path / "model.pt", state)).result
    norms = result.vocabulary.embeddings.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(16))
    state["text_embeddings"][4] = 0
    with pytest.raises(CheckpointError, match=r"rows \[4\] of its text_embeddings are zero"):
        import_checkpoint(write_pickled(tmp_path / "model.pt", state))


@pytest.mark.parametrize("kind", ["slidr", "spvcnn", "spvnas"])
def test_a_network_without_words_is_a_trunk(tmp_path, kind):
    if kind == "slidr":
        path = write_pickled(tmp_path / "slidr.pt", slidr_state())
        voxels = VoxelsConfig("cylindrical", value="first")
        expected = NetworkConfig("minkunet34", 0.125, intensity_scale=255.0, voxels=voxels)
    else:
        num_features = 4 if kind == "spvnas" else 1
        path = write_pickled(tmp_path / "spvcnn.pt", spvcnn_trunk(in_features=num_features))
        voxels = VoxelsConfig("cartesian", "minimum", "first", "voxels", "corner")
        expected = NetworkConfig("spvcnn", 0.125, intensity_scale=255.0, voxels=voxels)
        if kind == "spvnas":
            expected = NetworkConfig(
                "spvcnn", 0.125, 0.05, ("position", "intensity"), voxels=voxels
            )
    imported = import_checkpoint(path)
    assert isinstance(imported.result, Trunk)
    assert imported.result.config == expected
    assert imported.set_aside == (("final",) if kind == "slidr" else ())
    with pytest.raises(CheckpointError, match="holds no embeddings of words"):
        import_checkpoint(path, ["car"])


def wrap(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize(
    "wrapping",
    [
        lambda state: state,
        lambda state: {"model": wrap(state, "module.")},
        lambda state: {
            "state_dict": wrap(state, "model_points.") | {"model_images.a": torch.zeros(1)}
        },
        lambda state: {"model_points": {k: v.double() if v.is_floating_point() else v
                                        for k, v in state.items()}},
    ],
    ids=["alone", "parallel", "lightning", "double"],
)  # fmt: skip
def test_weights_are_found_where_trainers_put_them(tmp_path, wrapping):
    state = spvcnn_trunk()
    path = tmp_path / "model.pt"
    torch.save(wrapping(state), path)
    trunk = import_checkpoint(path).result.network.state_dict()
    assert torch.equal(trunk["stem.1.norm.bias"], state["stem.4.bias"])
    assert trunk["stem.1.norm.bias"].dtype == torch.float32


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.pop("stage3.2.net.4.running_var"), r"lacks stage3\.2\.net\.4\.running_var$"),
        (lambda s: s.update({"late.gate": torch.zeros(1)}), r"is left with late\.gate$"),
        (
            lambda s: s.update({"up2.0.net.0.kernel": torch.zeros(8, 3, 16)}),
            r"of another shape are up2\.0\.net\.0\.kernel \(\(8, 3, 16\), not \(8, 32, 16\)\)$",
        ),
        (
            lambda s: [s.pop(name) for name in list(s) if name.startswith("stage1.")],
            r"lacks stage1\.0\.net\.0\.kernel, .* and \d+ more$",
        ),
        (lambda s: s.update({"stem.0.kernel": torch.zeros(125, 1, 4)}), "whose first convolution"),
        (lambda s: s.update({"stem.0.kernel": torch.zeros(27, 3, 4)}), "have 3 features"),
        (lambda s: s.pop("stem.0.kernel"), "neither SPVCNN"),
        (lambda s: s["stem.1.bias"].fill_(torch.nan), r"stem\.1\.bias hold numbers that are not"),
        (lambda s: s.pop("point_mapping_local.bias"), r"lacks point_mapping_local\.bias$"),
        (lambda s: s.pop("text_embeddings"), "is left with point_mapping_local.weight"),
    ],
    ids=["missing", "left", "shape", "stage", "5x5x5", "colors", "other", "nan", "head", "words"],
)
def test_what_does_not_fit_is_named(tmp_path, damage, message):
    state = clip2scene_state()
    damage(state)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(write_pickled(tmp_path / "model.pt", state))


def test_minkunets_of_unknown_depth_are_refused(tmp_path):
    state = {name: value for name, value in slidr_state().items() if not name.startswith("block8.")}
    with pytest.raises(CheckpointError, match=r"\(2, 3, 4, 6, 2, 2, 2, 0\) blocks, which is none"):
        import_checkpoint(write_pickled(tmp_path / "model.pt", state))


class Payload:
    """Makes a folder when an unrestricted unpickler reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_no_code_in_a_file_is_run(tmp_path):
    path, folder = tmp_path / "model.pt", tmp_path / "broken_into"
    torch.save({"model_points": spvcnn_trunk(), "config": Payload(folder)}, path)
    with pytest.raises(
        CheckpointError, match=r"not a file of weights alone \(it wants posix.mkdir"
    ):
        import_checkpoint(path)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists()  # the payload would have worked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such checkpoint"),
        (b"", "not a "),
        (b"PK\x03\x04 and no more", "zip archive .* that is cut off; get the file again"),
        (b"version https://git-lfs.github.com/spec/v1", "'git lfs pull' gets it"),
        (b"<html>404", "a web page in place of the file"),
        ({"epoch": 3}, "no weights in it, it holds epoch"),
        ([1, 2], "no weights in it, it holds list"),
        ({"model": {"stem.0.kernel": torch.zeros(1), "note": "text"}}, "note among the weights"),
    ],
    ids=["missing", "empty", "cut", "pointer", "page", "no weights", "list", "text"],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        import_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
