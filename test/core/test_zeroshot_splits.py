import pytest

from clip2scene_core.labels import NUSCENES_CLASSES, SCANNET_CLASSES, SEMANTIC_KITTI_CLASSES
from clip2scene_core.zeroshot_splits import ZeroShotSplit, find_split

NAMES = tuple(c.name for c in NUSCENES_CLASSES)


def test_the_split_of_nuscenes_is_found_by_name():
    split = find_split(["nuscenes"], NAMES)
    assert split.unseen == ("motorcycle", "trailer", "terrain", "traffic cone")
    assert len(split.seen(NAMES)) == 12
    assert set(split.seen(NAMES)).isdisjoint(split.unseen)


@pytest.mark.parametrize(("num_base", "num_novel"), [(12, 3), (10, 5)])
def test_base_and_novel_classes_leave_one_out(num_base, num_novel):
    split = find_split([f"nuscenes_b{num_base}_n{num_novel}"], NAMES)
    assert (len(split.seen(NAMES)), len(split.unseen)) == (num_base, num_novel)
    assert "other flat" not in (*split.seen(NAMES), *split.unseen)


def test_the_split_of_semantickitti_is_3dgenz_s():
    names = tuple(one.name for one in SEMANTIC_KITTI_CLASSES)
    split = find_split(["semantickitti"], names)
    assert split.unseen == ("motorcycle", "truck", "bicyclist", "traffic sign")
    assert len(split.seen(names)) == 15


@pytest.mark.parametrize(("num_base", "num_novel"), [(15, 4), (12, 7), (10, 9)])
def test_the_splits_of_scannet_leave_other_furniture_out(num_base, num_novel):
    names = tuple(one.name for one in SCANNET_CLASSES)
    split = find_split([f"scannet_b{num_base}_n{num_novel}"], names)
    assert (len(split.seen(names)), len(split.unseen)) == (num_base, num_novel)
    assert split.ignored == ("other furniture",)


def test_own_splits_are_lists_of_unseen_classes():
    split = find_split(["car", "terrain"], NAMES)
    assert split == ZeroShotSplit(("car", "terrain"))
    assert "car" not in split.seen(NAMES)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["bicyclist"], "names bicyclist, but the classes are barrier"),
        (["semantickitti"], "names bicyclist, traffic sign"),
        (["car", "car"], "names car twice"),
        ([], "no unseen class"),
    ],
)
def test_what_is_no_split_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        find_split(names, NAMES)
