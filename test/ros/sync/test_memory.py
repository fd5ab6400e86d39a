"""What waits is bounded in bytes, too: large clouds, and a camera whose stamps stand still."""

from __future__ import annotations

from synchronizer_inputs import kinds, make_synchronizer, send_cloud, send_image

from clip2scene_ros.sync import camera_buffer, synchronizer
from clip2scene_ros.sync.sweeps import RejectionKind


def test_large_clouds_that_wait_are_dropped_from_the_oldest_on(monkeypatch):
    waiting = make_synchronizer()
    send_cloud(waiting, 0)
    (cloud,) = waiting._waiting
    monkeypatch.setattr(synchronizer, "_MAX_WAITING_BYTES", 3 * len(cloud.message.data))
    for at_ms in range(10, 60, 10):
        send_cloud(waiting, at_ms)
    assert len(waiting._waiting) == 3
    (first, *_) = rejections = waiting.take_rejections()
    assert [rejection.kind for rejection in rejections] == [RejectionKind.OVERTAKEN] * 3
    assert "/lidar_top at 1.000000: 3 newer clouds are waiting" in first.reason
    assert kinds(waiting) == []


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
