import pytest
from separable_samples import make_config
from small_clouds import ANY_SENSOR

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import config_to_dict, override
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.training.pretrain.run import pretrain


@pytest.mark.parametrize("mix", ["mix3d", "polarmix"])
def test_everything_on_trains_and_repeats(tmp_path, tiny_nuscenes, tiny_clip, mix):
    values = config_to_dict(ANY_SENSOR)
    certain = dict.fromkeys(("own_robot", "sector_dropout", "beam_dropout", "range_dropout"), 1)
    values |= certain | {"mix": mix, "mix_probability": 1, "intensity_gain": 6}
    basics = ["sweeps.min_range_m=0", "consensus.voxel_size_m=2.0", "training.batch_size=2"]
    config = override(make_config(tiny_clip, *basics), [f"augmentation={values}"])
    dataset, weights, losses = NuScenesDataset(tiny_nuscenes), [], []
    for name, num_workers in (("a", 0), ("b", 1)):
        steps = []
        out = pretrain(
            dataset, config, tmp_path / f"{name}.safetensors",
            report=steps.append, num_workers=num_workers,
        )  # fmt: skip
        weights.append(load_checkpoint(out).student.state_dict())
        losses.append([step.losses["total"] for step in steps])
    assert losses[0] == losses[1]
    assert all(0 < loss < 100 for loss in losses[0])
    assert all(value.equal(weights[1][key]) for key, value in weights[0].items())


def test_class_weights_are_those_of_all_points(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, weights = NuScenesDataset(tiny_nuscenes), []
    for name, options in (("off", "{}"), ("on", "{point_dropout: 0.9, sector_dropout: 1}")):
        config = make_config(tiny_clip, f"augmentation={options}", "training.epochs=1")
        pretrain(dataset, config, tmp_path / f"{name}.safetensors", cache=tmp_path / name)
        weights += [path.read_text() for path in (tmp_path / name).rglob("label-counts-*.json")]
    assert len(weights) == 2
    assert weights[0] == weights[1]
