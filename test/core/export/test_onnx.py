"""The network as ONNX says what the student says."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from random_student import random_student

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.export import onnx as to_onnx
from clip2scene_core.export.layout import list_tensors
from clip2scene_core.export.map_builder import MapBuilder
from clip2scene_core.export.programs import ExportError
from clip2scene_core.inference.embedder import PointEmbedder
from clip2scene_core.network.student import Student


@pytest.mark.slow
@pytest.mark.parametrize(("name", "strides"), [("spvcnn", (1, 4, 16)), ("minkunet14", ())])
def test_onnx_says_what_the_student_says(tmp_path, name, strides):
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    checkpoint = random_student()
    network = NetworkConfig(name, width=0.125, voxel_size_m=0.5)
    texts = checkpoint.vocabulary.embeddings
    torch.manual_seed(0)
    student = Student(network, texts.shape[1]).eval()
    config = replace(checkpoint.config, network=network)
    checkpoint = replace(checkpoint, student=student, config=config)
    path = tmp_path / "network.onnx"
    to_onnx.export_onnx(path, checkpoint, checkpoint.vocabulary)
    assert str(Path(to_onnx.__file__).parents[1]).encode() not in path.read_bytes()
    # With one thread there is nothing that threads could do to each other.
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 4
    session = runtime.InferenceSession(path, options)
    specs = list_tensors(1, strides)
    assert [tensor.name for tensor in session.get_inputs()] == [*(s.name for s in specs), "texts"]
    metadata = session.get_modelmeta().custom_metadata_map
    assert {"clip2scene.json", "texts.tsv"} <= metadata.keys()
    temperature = config.losses.temperature
    for count in (1, 40, 2000):
        points = 20 * torch.rand(count, 4)
        with torch.no_grad():
            built = MapBuilder(network, "raw", specs)(points, torch.eye(4))
        names = [spec.name for spec in specs]
        inputs = {name: t.numpy() for name, t in zip(names, built, strict=True)}
        expected = PointEmbedder(student, torch.device("cpu")).logits(
            points.numpy(), texts[:count], temperature
        )
        for _ in range(10):
            (logits,) = session.run(None, inputs | {"texts": texts[:count].numpy()})
            torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    checkpoint = random_student()
    with pytest.raises(ExportError, match=r"\.\[onnx\]"):
        to_onnx.export_onnx(tmp_path / "network.onnx", checkpoint, checkpoint.vocabulary)
    assert list(tmp_path.iterdir()) == []
