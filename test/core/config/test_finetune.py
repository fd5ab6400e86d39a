import pytest
from checkout import CONFIGS

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import read_config


@pytest.mark.parametrize(
    "path",
    sorted(CONFIGS.glob("finetune_*.yaml")),
    ids=lambda path: path.name,
)
def test_shipped_configurations_load(path):
    assert read_config(path, FinetuneConfig()).training.epochs > 0


def test_the_defaults_are_slidrs():
    assert read_config(CONFIGS / "finetune_nuscenes.yaml", FinetuneConfig()) == FinetuneConfig()
