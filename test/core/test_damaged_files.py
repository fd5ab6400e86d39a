"""Every reader of the core turns whatever damage into its own error, of one short line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from damage import EXAMPLES, FEW, damaged_bytes, damaged_tree
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clip2scene_core.checkpoint import CheckpointError, load_trunk, save_checkpoint
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import config_to_dict, override, read_config
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.datasets import DatasetError, NuScenesDataset
from clip2scene_core.datasets.kitti_format.calibration import (
    read_calibration,
    read_poses,
    read_stamps,
)
from clip2scene_core.prompts.prompt_set import load_prompt_set
from clip2scene_core.prompts.text_encoder import TextTable, load_text_table, save_text_table
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.teacher.small_clip import load_small_clip
from clip2scene_core.training.resume import load_training_checkpoint, save_training_checkpoint


def read_or_refuse(read: Callable[[], object], error: type[Exception] = ValueError) -> None:
    """A reader gives a value or raises its own error; any other one fails the test."""
    try:
        read()
    except error as refusal:
        text = str(refusal)
        assert "\n" not in text
        assert len(text) < 1000


@EXAMPLES
@given(damaged_tree(config_to_dict(PretrainConfig())), st.sampled_from([json, yaml]))
def test_configurations(tmp_path, values, writer):
    path = tmp_path / "config.yaml"
    text = json.dumps(values) if writer is json else yaml.safe_dump(values)
    path.write_text(text)
    read_or_refuse(lambda: read_config(path, PretrainConfig()), ConfigError)


@EXAMPLES
@given(damaged_bytes(yaml.safe_dump(config_to_dict(FinetuneConfig())).encode()))
def test_configurations_as_text(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    read_or_refuse(lambda: read_config(path, FinetuneConfig()), ConfigError)


@EXAMPLES
@given(
    st.sampled_from(["training.epochs", "network", "network.width", "prompts", "x.y", ""]),
    st.text("[]{}:,&*!|>'\"#%@\\ \n\t-0123456789.abe~?", max_size=12),
)
def test_overrides(key, text):
    read_or_refuse(lambda: override(PretrainConfig(), [f"{key}={text}"]), ConfigError)


PROMPTS = {"vehicle": ["car", "bus"], "tree": "tree", "road": ["road"]}


@EXAMPLES
@given(damaged_tree(PROMPTS))
def test_files_of_prompts(tmp_path, values):
    path = tmp_path / "prompts.yaml"
    path.write_text(json.dumps(values))
    read_or_refuse(lambda: load_prompt_set(path).labels())


@EXAMPLES
@given(damaged_bytes(yaml.safe_dump(PROMPTS).encode()), st.sampled_from(["txt", "yaml"]))
def test_files_of_prompts_as_text(tmp_path, content, suffix):
    path = tmp_path / f"prompts.{suffix}"
    path.write_bytes(content)
    read_or_refuse(lambda: load_prompt_set(path).labels())


TABLES = ["scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "lidarseg", "category"]


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_nuscenes(tiny_nuscenes, table):
    path = tiny_nuscenes / "v1.0-tiny" / f"{table}.json"
    text = path.read_text()
    first, rest = json.loads(text)[:2], json.loads(text)[2:]

    def read() -> None:
        dataset = NuScenesDataset(tiny_nuscenes, num_sweeps=2, with_labels=True)
        for index in range(len(dataset)):
            dataset[index]

    @EXAMPLES
    @given(damaged_tree(first) | damaged_bytes(text.encode(), head=600))
    def damage(values: object) -> None:
        if isinstance(values, bytes):
            path.write_bytes(values)
        else:
            path.write_text(json.dumps(values + rest if isinstance(values, list) else values))
        read_or_refuse(read, DatasetError)

    damage()


@pytest.mark.parametrize("name", ["calib.txt", "poses.txt", "times.txt"])
def test_texts_of_kitti(tiny_kitti, name):
    path = min(tiny_kitti.rglob(name))
    content = path.read_bytes()
    calibration = read_calibration(path.with_name("calib.txt"))

    def read() -> None:
        if name == "calib.txt":
            read_calibration(path)
        elif name == "poses.txt":
            read_poses(path, calibration)
        else:
            read_stamps(path)

    @FEW
    @given(damaged_bytes(content))
    def damage(changed: bytes) -> None:
        path.write_bytes(changed)
        read_or_refuse(read, DatasetError)

    damage()


def damaged_safetensors(path: Path, key: str) -> st.SearchStrategy[Callable[[], None]]:
    """Damage of a file's bytes, mostly of its header, or of a JSON text in its header."""
    content = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)

    def with_metadata(values: object) -> None:
        text = values if isinstance(values, str) else json.dumps(values)
        save_file(tensors, path, metadata | {key: text})

    of_bytes = damaged_bytes(content, head=3000).map(
        lambda changed: lambda: path.write_bytes(changed)
    )
    of_json = damaged_tree(json.loads(metadata[key])).map(lambda v: lambda: with_metadata(v))
    return of_bytes | of_json


def test_checkpoints(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)

    @FEW
    @given(damaged_safetensors(path, "description"))
    def damage(write: Callable[[], None]) -> None:
        write()
        read_or_refuse(lambda: load_trunk(path), CheckpointError)

    damage()


@pytest.mark.parametrize("key", ["shape", "pieces", "mean", "words"])
def test_small_clips(tiny_clip, key):
    @EXAMPLES
    @given(damaged_safetensors(tiny_clip, key))
    def damage(write: Callable[[], None]) -> None:
        write()
        read_or_refuse(lambda: load_small_clip(tiny_clip))

    damage()


def test_training_states(tmp_path):
    path = tmp_path / "state.safetensors"
    config = PretrainConfig()

    def network() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        module = torch.nn.Linear(3, 2)
        return module, torch.optim.AdamW(module.parameters())

    module, optimizer = network()
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_training_checkpoint(path, {"network": module}, optimizer, config, 3)

    def read() -> None:
        module, optimizer = network()
        load_training_checkpoint(path, {"network": module}, optimizer, config)

    read()

    @EXAMPLES
    @given(damaged_safetensors(path, "config") | damaged_safetensors(path, "step"))
    def damage(write: Callable[[], None]) -> None:
        write()
        read_or_refuse(read)

    damage()


def test_tables_of_texts(tmp_path):
    path = tmp_path / "words.npz"
    own = make_vocabulary(("car", "tree"), torch.eye(4)[:2])
    save_text_table(TextTable(("car", "tree", "bus"), torch.eye(4)[:3]), path)
    assert load_text_table(path, own).texts == ("car", "tree", "bus")

    @EXAMPLES
    @given(damaged_bytes(path.read_bytes()))
    def damage(content: bytes) -> None:
        path.write_bytes(content)
        read_or_refuse(lambda: load_text_table(path, own))

    damage()


def test_a_table_of_texts_that_are_not_finite_is_refused(tmp_path):
    path = tmp_path / "words.npz"
    embeddings = torch.eye(4)[:2]
    own = make_vocabulary(("car", "tree"), embeddings)
    broken = torch.cat([embeddings, torch.full((1, 4), torch.nan)])
    save_text_table(TextTable(("car", "tree", "bus"), broken), path)
    with pytest.raises(ValueError, match="embeddings that are not finite"):
        load_text_table(path, own)
