"""Damaged recordings each give their finding; whole ones give no problem."""

import shutil

import numpy as np
import pytest
import ros_messages
from checkout import ROOT, SHARED_DATA
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from clip2scene_core.doctor.finding import Level, problems_of
from clip2scene_ros.bags.doctor import recording
from clip2scene_ros.bags.doctor.recording import RecordingExamination
from clip2scene_ros.bags.doctor.times import read_header
from clip2scene_ros.bags.pose_track import PoseTrack
from clip2scene_ros.bags.to_dataset import RecordingOptions
from clip2scene_ros.cli.main import main
from clip2scene_ros.sync.sweeps import SyncOptions

SECOND = 10**9


def rewrite(bag, out, change):
    """Copy a bag; `change` of topic and message gives (topic, message), or None to leave it out."""
    with Reader(bag) as reader, Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for connection, at_ns, raw in reader.messages():
            message = ros_messages.STORE.deserialize_cdr(raw, connection.msgtype)
            changed = change(connection.topic, message)
            if changed is None:
                continue
            topic, message = changed
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, connection.msgtype, typestore=ros_messages.STORE
                )
            content = ros_messages.STORE.serialize_cdr(message, connection.msgtype)
            writer.write(connections[topic], at_ns, content)
    return out


def without(*words):
    return lambda topic, message: None if any(w in topic for w in words) else (topic, message)


def stamped(topics, shift_ns):
    """Add to the stamps of the topics that hold a word."""

    def change(topic, message):
        if topics in topic:
            stamp = message.header.stamp
            at_ns = stamp.sec * SECOND + stamp.nanosec + shift_ns
            stamp.sec, stamp.nanosec = at_ns // SECOND, at_ns % SECOND
        return topic, message

    return change


def examine(bag, options=None, track=None):
    examination = RecordingExamination(bag, options, track)
    examination.run()
    return examination


def worst(examination):
    return [f"{one.subject}: {one.text}" for one in problems_of(examination.findings)]


def lines_of(examination, subject):
    return [one.text for one in examination.findings if one.subject == subject]


def notes_of(examination):
    return [one.text for one in examination.findings if one.level is Level.NOTE]


def test_a_whole_recording_has_no_problem(scene_bag):
    examination = examine(scene_bag)
    assert worst(examination) == []
    assert lines_of(examination, "poses") == ["6 of 6 clouds have one (100 %)"]
    assert lines_of(examination, "motion") == [
        "5 m in 0 s, 0 degrees of turns, standing 0 % of the time"
    ]
    assert "2 are used: cam_front" in lines_of(examination, "cameras")[0]
    assert lines_of(examination, "extrinsics") == ["known of lidar_top, cam_front, cam_back"]
    assert examination.keyframes.num_keyframes >= 2
    (keyframes,) = lines_of(examination, "keyframes")
    assert keyframes.startswith("about 2 keyframes in 1 scenes, with 4 pictures")


def test_no_recording(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"nothing")
    (found,) = worst(examine(tmp_path / "a.mcap"))
    assert found.startswith("recording: ")


def test_the_end_of_a_file_is_lost(scene_bag):
    (file,) = scene_bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 4])
    examination = examine(scene_bag)
    told = [*worst(examination), *notes_of(examination)]
    assert any(file.name in line for line in told)


def test_images_without_calibration(scene_bag, tmp_path):
    examination = examine(rewrite(scene_bag, tmp_path / "no_info", without("camera_info")))
    assert any(line.startswith("cameras: none can be used") for line in worst(examination))
    assert "/cam_front/image_rect_compressed" in worst(examination)[0]
    assert "48 points each" in lines_of(examination, "clouds")[0]  # they are looked at all the same
    assert not any(line == "there are none" for line in lines_of(examination, "cameras"))


def test_one_camera_without_calibration_is_passed_over(scene_bag, tmp_path):
    bag = rewrite(scene_bag, tmp_path / "no_info", without("cam_back/camera_info"))
    examination = examine(bag)
    assert worst(examination) == []
    assert any("cam_back/image_rect_compressed is passed over" in n for n in notes_of(examination))


def test_no_poses(scene_bag, tmp_path):
    bag = rewrite(
        scene_bag,
        tmp_path / "no_tf",
        lambda topic, message: None if topic == "/tf" else (topic, message),
    )
    found = worst(examine(bag))
    assert "poses: there is no /tf" in found
    assert "poses: 0 of 6 clouds have one (0 %)" in found
    alone = RecordingOptions(SyncOptions(pose_source="none"))
    assert worst(examine(bag, alone)) == []
    stamps = 1_499_999_999 * SECOND + np.arange(21) * SECOND // 10
    track = PoseTrack(stamps, np.tile(np.eye(4), (21, 1, 1)))
    assert worst(examine(bag, track=track)) == []


def test_no_extrinsics_of_a_camera(scene_bag, tmp_path):
    def change(topic, message):
        if topic == "/tf_static":
            message.transforms = [t for t in message.transforms if t.child_frame_id != "cam_back"]
        return topic, message

    examination = examine(rewrite(scene_bag, tmp_path / "no_static", change))
    (text,) = [n for n in notes_of(examination) if "no transform leads" in n]
    assert "'cam_back' to 'base_link'" in text
    assert any("no view of a cloud comes from cam_back" in n for n in notes_of(examination))
    assert worst(examination) == []


def test_clocks_that_differ(scene_bag, tmp_path):
    examination = examine(rewrite(scene_bag, tmp_path / "late", stamped("cam_", 5 * SECOND)))
    found = worst(examination)
    assert any(line.startswith("camera cam_front: 0 % of the clouds") for line in found)
    assert any(line.startswith("keyframes: about 0") for line in found)
    assert any("and the cloud differ" in note for note in notes_of(examination))


def test_a_clock_of_its_own_is_no_problem(scene_bag, tmp_path):
    def change(topic, message):
        if hasattr(message, "header"):
            return stamped("", -1_400_000_000 * SECOND)(topic, message)
        for transform in getattr(message, "transforms", ()):
            stamped("", -1_400_000_000 * SECOND)("", transform)
        return topic, message

    examination = examine(rewrite(scene_bag, tmp_path / "boot", change))
    assert worst(examination) == []
    assert any("not of the recorder's clock" in note for note in notes_of(examination))


def test_stamps_of_zero(scene_bag, tmp_path):
    def change(topic, message):
        if topic == "/lidar_top":
            message.header.stamp.sec = message.header.stamp.nanosec = 0
        return topic, message

    bag = rewrite(scene_bag, tmp_path / "zero", change)
    assert "lidar: all 6 stamps are 0" in worst(examine(bag))
    assert worst(examine(bag, RecordingOptions(SyncOptions(zero_stamp="arrival")))) == []


def test_several_clouds(scene_bag, tmp_path):
    def renamed(topic, message):
        return ("/os_lidar" if topic == "/lidar_top" else topic), message

    bag = rewrite(scene_bag, tmp_path / "renamed", renamed)
    examination = examine(bag)
    assert worst(examination) == []
    assert lines_of(examination, "lidar")[0] == "the cloud is /os_lidar"

    with Reader(bag) as reader:
        connection = next(c for c in reader.connections if c.topic == "/os_lidar")
        _, at_ns, raw = next(reader.messages([connection]))
    both = tmp_path / "both"
    shutil.copytree(bag, both)
    with Writer(both / "second", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        second = writer.add_connection("/livox", connection.msgtype, typestore=ros_messages.STORE)
        writer.write(second, at_ns, raw)
    (file,) = (both / "second").glob("*.mcap")
    (both / "metadata.yaml").unlink()
    file.rename(both / "other_1.mcap")
    shutil.rmtree(both / "second")
    (found,) = worst(examine(both))
    assert "several clouds: /livox, /os_lidar" in found


def test_most_images_of_a_long_recording_are_not_decoded(scene_bag, monkeypatch):
    monkeypatch.setattr(recording, "_ALL_IMAGES", 0)
    monkeypatch.setattr(recording, "_AROUND_NS", 60_000_000)
    examination = RecordingExamination(scene_bag, num_keyframes=1)
    examination.run()
    assert worst(examination) == []
    assert examination.keyframes.num_keyframes == 1
    assert lines_of(examination, "keyframes")[0].startswith("about 2 keyframes")


def test_headers_are_read_without_decoding():
    message = ros_messages.cloud(np.zeros((1, 4), np.float32), 12 * SECOND + 34)
    message.header.frame_id = "ümlaut"
    raw = ros_messages.STORE.serialize_cdr(message, message.__msgtype__)
    assert read_header(bytes(raw)) == (12 * SECOND + 34, "ümlaut")
    assert read_header(b"\0\1") == (0, "")


def test_the_real_bag_goes_through(tmp_path, capsys):
    bag = SHARED_DATA / "nuscenes_keyframe_bag"
    if not bag.is_dir():
        pytest.skip("the real bag is not beside this repository")
    picture = tmp_path / "projection.png"
    assert main(["doctor", str(bag), "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "edges of depth meet edges of pictures better than in 100 %" in said
    assert "problem " not in said
    assert picture.stat().st_size > 100_000


@pytest.mark.slow
def test_stamps_of_cameras_that_are_late_are_found(tmp_path):
    """The shipped bag, whose world is exact, with 70 ms added to the stamps of one camera."""

    def change(topic, message):
        if "cam_" in topic and not topic.startswith(("/cam_back_left/", "/cam_front_left/")):
            return None
        return stamped("/cam_back_left/image", 70_000_000)(topic, message)

    bag = rewrite(ROOT / "rosbags/synthetic_street", tmp_path / "late", change)
    examination = RecordingExamination(bag)
    examination.run()
    offsets = {
        one.subject: one
        for one in examination.findings
        if one.text.startswith("time offset against the LiDAR")
    }
    late = offsets["camera cam_back_left"]
    assert late.level is Level.NOTE
    assert -100 < float(late.text.split(" ms")[0].split()[-1]) < -50
    assert offsets["camera cam_front_left"].level is Level.OK
