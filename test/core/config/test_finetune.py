import pytest
from checkout import CONFIGS

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import read_config
from clip2scene_core.config.pretrain import load_config
from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES
from clip2scene_core.training.finetune.data import choose_keyframes


@pytest.mark.parametrize(
    "path",
    sorted(CONFIGS.glob("finetune_*.yaml")),
    ids=lambda path: path.name,
)
def test_shipped_configurations_load(path):
    assert read_config(path, FinetuneConfig()).training.epochs > 0


def test_one_percent_of_semantic_kitti_is_every_hundredth_scan():
    config = read_config(CONFIGS / "finetune_semantic_kitti.yaml", FinetuneConfig())
    train = [4541, 1101, 4661, 801, 271, 2761, 1101, 1101, 1591, 1201]
    scenes = [str(scene) for scene, count in enumerate(train) for _ in range(count)]
    chosen = choose_keyframes(config.labels, scenes)
    assert chosen == list(range(0, 19_130, 100))


def test_the_classes_of_the_shipped_configuration_are_semantic_kitti_s():
    config = load_config(CONFIGS / "pretrain_semantic_kitti.yaml")
    assert config.classes == tuple(one.name for one in SEMANTIC_KITTI_CLASSES)
    assert config.prompts == tuple(one.prompt for one in SEMANTIC_KITTI_CLASSES)
    assert set(config.consensus.movable) <= set(config.classes)


def test_the_defaults_are_slidrs():
    assert read_config(CONFIGS / "finetune_nuscenes.yaml", FinetuneConfig()) == FinetuneConfig()
