"""Labels and the classes that they count as."""

import pytest
from checkout import CONFIGS

from clip2scene_core.evaluation import NO_CLASS, class_of_label
from clip2scene_core.labels import (
    IGNORE_LABEL,
    NUSCENES_CLASSES,
    SCANNET_CLASSES,
    SemanticClass,
)
from clip2scene_core.prompts.prompt_set import load_prompt_set

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]


def texts_of(file: str) -> dict[str, tuple[str, ...]]:
    return dict(load_prompt_set(CONFIGS / file).labels())


def test_labels_count_as_the_class_of_their_name():
    table = class_of_label(["car", NO_CLASS, "barrier"])
    assert table[:3].tolist() == [NAMES.index("car"), IGNORE_LABEL, 0]
    assert (table[3:] == IGNORE_LABEL).all()
    with pytest.raises(
        ValueError, match=r"a label is called 'auto', .* name it 'no class' or one of"
    ):
        class_of_label(["auto"])


@pytest.mark.parametrize("file", sorted(path.name for path in CONFIGS.glob("prompts_*.yaml")))
def test_the_shipped_files_name_classes_and_no_prompt_twice(file):
    labels = texts_of(file)
    class_of_label(list(labels), SCANNET_CLASSES if "scannet" in file else NUSCENES_CLASSES)
    texts = [text for texts in labels.values() for text in texts]
    assert len(set(texts)) == len(texts)


def test_the_shipped_files_hold_the_classes_of_their_data_sets():
    nuscenes = texts_of("prompts_nuscenes.yaml")
    assert nuscenes == {name: (name,) for name in NAMES}
    assert set(texts_of("prompts_synonyms.yaml")) == set(NAMES)
    kitti, cityscapes = texts_of("prompts_semantickitti.yaml"), texts_of("prompts_cityscapes.yaml")
    assert sum(len(texts) for texts in kitti.values()) == 19
    assert sum(len(texts) for texts in cityscapes.values()) == 19
    assert kitti["manmade"] == ("building", "fence", "pole", "traffic sign")
    assert cityscapes[NO_CLASS] == ("sky", "train")


def test_a_data_set_brings_its_own_classes():
    classes = (SemanticClass("tram", "tram", (1, 2, 3)), SemanticClass("car", "car", (4, 5, 6)))
    assert class_of_label(["car", "tram"], classes)[:2].tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"'bus', .* the data set's 2 classes"):
        class_of_label(["bus"], classes)
