"""What waits is bounded in bytes, too: large clouds, and a camera whose stamps stand still."""

from __future__ import annotations

import pytest
from synchronizer_inputs import kinds, make_synchronizer, send_cloud, send_image, send_pose

from clip2scene_ros.sync import camera_buffer, pending
from clip2scene_ros.sync.sweeps import RejectionKind


def test_large_clouds_that_wait_are_dropped_from_the_oldest_on(monkeypatch):
    waiting = make_synchronizer()
    for at_ms in (-10, 60):
        send_pose(waiting, at_ms)
    send_cloud(waiting, 0)
    (cloud,) = waiting._waiting
    monkeypatch.setattr(pending, "_MAX_WAITING_BYTES", 3 * len(cloud.message.data))
    for at_ms in range(10, 60, 10):
        send_cloud(waiting, at_ms)
    assert len(waiting._waiting) == 3
    (first, *_) = rejections = waiting.take_rejections()
    assert [rejection.kind for rejection in rejections] == [RejectionKind.OVERTAKEN] * 3
    assert "/lidar_top at 1.000000: 3 newer clouds are waiting" in first.reason
    assert kinds(waiting) == []


@pytest.mark.parametrize("on_missing_pose", ["drop", "single"])
def test_clouds_that_are_dropped_while_they_wait_for_a_pose_are_no_sign_of_slowness(
    monkeypatch, on_missing_pose
):
    monkeypatch.setattr(pending, "_MAX_WAITING", 3)
    waiting = make_synchronizer(
        has_extrinsics=False, pose_wait_s=60.0, on_missing_pose=on_missing_pose
    )
    for at_ms in range(0, 50, 10):
        send_pose(waiting, at_ms)
        send_cloud(waiting, at_ms)
    rejections = waiting.take_rejections()
    assert [rejection.kind for rejection in rejections] == [RejectionKind.NO_EXTRINSICS] * 2
    assert "publish it on /tf_static" in rejections[0].reason


def test_a_camera_whose_stamps_stand_still_does_not_fill_the_memory(monkeypatch):
    waiting = make_synchronizer(cameras=("cam_front",))
    images = waiting._cameras["cam_front"]._images
    send_image(waiting, 0)
    ((_, message),) = images
    monkeypatch.setattr(camera_buffer, "_MAX_BYTES", 3 * len(message.data))
    for _ in range(10):
        send_image(waiting, 0)
    assert len(images) == 3
    monkeypatch.setattr(camera_buffer, "_MAX_BYTES", 0)
    send_image(waiting, 0)
    assert len(images) == 1, "the newest one stays, however large"
