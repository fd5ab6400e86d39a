import pytest

from clip2scene_core.datasets import (
    DatasetError,
    NuScenesDataset,
    SemanticKittiDataset,
    open_dataset,
)


def test_the_folder_shows_the_layout(tiny_nuscenes, tiny_kitti):
    nuscenes = open_dataset(
        tiny_nuscenes, scenes=["scene-0001"], with_images=None, with_poses=False
    )
    assert isinstance(nuscenes, NuScenesDataset)
    assert len(nuscenes[0].cameras) == 2
    assert open_dataset(tiny_nuscenes, with_images=False)[0].cameras == ()
    kitti = open_dataset(tiny_kitti, split="val", num_sweeps=2, with_labels=True)
    assert isinstance(kitti, SemanticKittiDataset)
    assert [scene.name for scene in kitti.scenes] == ["08"]
    assert len(kitti[1].sweeps) == 2
    assert kitti[1].keyframe.labels is not None
    assert open_dataset(tiny_kitti, scenes=["08"]).scenes == kitti.scenes


def test_an_unknown_layout_is_described(tmp_path):
    for name in ("images", "notes.txt"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match=r"nuScenes has samples/ .* it has images/, notes.txt/"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="it is not a folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "sequences" / "00").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no sequences/NN/velodyne"):
        open_dataset(tmp_path)


def test_splits_are_for_the_data_sets_that_have_them(tiny_nuscenes, tiny_kitti):
    for root, options, message in (
        (tiny_nuscenes, {"split": "val"}, "has 0 of the 150 scenes of the split 'val'"),
        (tiny_kitti, {"split": "valid"}, "has the splits train, val, test, got 'valid'"),
        (tiny_kitti, {"split": "val", "scenes": ["08"]}, "or scenes, not both"),
        (tiny_kitti, {"version": "v1.0-mini"}, "has no versions"),
        (tiny_kitti, {"split": "train"}, "no sequence 01, 02"),
    ):
        with pytest.raises(DatasetError, match=message):
            open_dataset(root, **options)
