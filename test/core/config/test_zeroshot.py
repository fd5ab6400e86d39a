import pytest
from checkout import ROOT

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import load_config
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.config.zeroshot import (
    SelfTrainingConfig,
    ZeroShotConfig,
    load_zeroshot_config,
)
from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES


def test_the_default_sees_twelve_classes_of_nuscenes():
    config = ZeroShotConfig()
    assert config.named_split.unseen == ("motorcycle", "trailer", "terrain", "traffic cone")
    assert len(config.seen) == 12
    assert config.student.classes == config.classes


def test_ignored_classes_are_not_the_students():
    config = override(ZeroShotConfig(), ["class_split.name=nuscenes_b12_n3"])
    assert "other flat" not in config.student.classes
    assert "traffic island" not in config.student.prompts
    assert len(config.student.prompts) == 15
    assert len(config.seen) == 12


def test_own_splits_name_their_classes():
    config = override(
        ZeroShotConfig(), ["class_split={name: own, unseen: [car, bus], ignored: [truck]}"]
    )
    assert config.named_split.unseen == ("car", "bus")
    assert "truck" not in config.student.classes


def test_without_annotation_every_class_is_unseen():
    config = override(ZeroShotConfig(), ["class_split.name=annotation_free"])
    assert config.seen == ()
    assert config.named_split.unseen == config.classes


def test_the_inductive_protocol_has_no_consensus():
    config = override(ZeroShotConfig(), ["consensus.voxel_size_m=0.8"])
    assert config.student.consensus.voxel_size_m == 0.8
    config = override(config, ["class_split.protocol=inductive"])
    assert config.student.consensus.voxel_size_m == 0


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("class_split.name=kitti", "class_split.name must be one of nuscenes"),
        ("class_split.name=semantickitti", "the split names bicyclist, traffic sign"),
        ("class_split.unseen=[car]", "class_split.unseen is for class_split.name 'own'"),
        ("class_split.name=own", "class_split.unseen is for class_split.name 'own'"),
        ("class_split={name: own, unseen: [giraffe]}", "the split names giraffe"),
        ("class_split={name: own, unseen: [3]}", "'class_split.unseen' must be"),
        ("class_split={name: annotation_free, protocol: inductive}", "must be transductive"),
        ("class_split.protocol=both", "class_split.protocol must be one of"),
        ("prompts=[car]", "16 classes and 1 prompts"),
        ("sweeps.count=3", "only keyframes have labels"),
        ("losses.patch_weight=-1", "losses.patch_weight must be 0"),
        ("losses.min_confidence=1", r"min_confidence must be in \[0, 1\)"),
        ("self_training.keep=0", r"keep in \(0, 1\]"),
        ("losses.semantic=none", "unknown key 'losses.semantic'"),
    ],
)
def test_what_cannot_be_trained_is_refused(assignment, message):
    with pytest.raises(ConfigError, match=message):
        override(ZeroShotConfig(), [assignment])


def test_a_prompt_is_one_text():
    prompts = ["car | van", *ZeroShotConfig().prompts[1:]]
    with pytest.raises(ConfigError, match="no bars here"):
        override(ZeroShotConfig(), [f"prompts={prompts}"])


@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.5, 10, 5), (0.5, 1, 1), (0.5, 3, 2), (0, 4, 0), (1, 4, 4)]
)
def test_phase_2_begins_after_a_share_of_the_epochs(start, epochs, first):
    assert SelfTrainingConfig(start=start).first_epoch(epochs) == first


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/zeroshot_*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_load(path):
    assert load_zeroshot_config(path).named_split.unseen


def test_the_synthetic_student_is_that_of_pre_training():
    zeroshot = load_zeroshot_config(ROOT / "config/zeroshot_synthetic.yaml")
    pretrain = load_config(ROOT / "config/pretrain_synthetic.yaml")
    for name in ("network", "input", "teacher", "consensus", "augmentation", "training"):
        assert getattr(zeroshot, name) == getattr(pretrain, name), name


def test_semantic_kitti_s_students_have_its_classes():
    config = load_zeroshot_config(ROOT / "config/zeroshot_semantic_kitti.yaml")
    assert config.classes == tuple(one.name for one in SEMANTIC_KITTI_CLASSES)
    assert config.prompts == tuple(one.prompt for one in SEMANTIC_KITTI_CLASSES)
    assert config.named_split.unseen == ("motorcycle", "truck", "bicyclist", "traffic sign")
    assert len(config.seen) == 15
