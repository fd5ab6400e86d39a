"""What a process imports until its first label: not what only new words need."""

from first_label import imported_until_the_first_label


def test_mode_lidar_labels_without_the_imports_of_the_clip():
    assert imported_until_the_first_label("lidar") == []


def test_cameras_need_the_clip_from_the_start():
    assert "open_clip" in imported_until_the_first_label("fused")
