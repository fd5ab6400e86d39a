"""Recordings that are not as `ros2 bag record` leaves them: read, or refused with what to do."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest
import raw_mcap
import yaml
from backports import zstd
from fake_segmenter import FakeSegmenter
from raw_mcap import NOETIC, chunk, in_ros1, mcap, records_of
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from small_bags import MS, START, read_topic, small_bag, write_bag

from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.reading import unpack
from clip2scene_ros.bags.segment import segment_bag

STAMPS = [0, 100, 200, 300]
MESSAGES = small_bag(at_ms=STAMPS, num_poses=4)


def labelled_stamps(bag, tmp_path):
    """Milliseconds of the labelled clouds, and the summary."""
    out = tmp_path / "labelled"
    shutil.rmtree(out, ignore_errors=True)
    summary = segment_bag(bag, out, FakeSegmenter())
    clouds = [cloud for _, cloud in read_topic(out, "/clip2scene/points")]
    stamps = [cloud.header.stamp.sec * 1000 + cloud.header.stamp.nanosec // MS for cloud in clouds]
    return [stamp - START // MS for stamp in stamps], summary


def write_splits(folder, storage, numbers=(0, 1)):
    """Part by part, each with half of the messages; /tf_static is in the last one alone."""
    folder.mkdir()
    middle = 2 * len(STAMPS) // len(numbers)
    parts = [MESSAGES[:middle], MESSAGES[middle:]]
    for number, part in zip(numbers, parts, strict=True):
        made = write_bag(folder / f"part_{number}", part, storage)
        file = next(file for file in made.iterdir() if file.suffix != ".yaml")
        file.rename(folder / f"drive_{number}{file.suffix}")
        shutil.rmtree(made)
    return folder


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_splits_without_metadata_are_read_together_in_order(tmp_path, storage):
    bag = write_splits(tmp_path / "drive", storage, numbers=(2, 10))
    stamps, summary = labelled_stamps(bag, tmp_path)
    assert stamps == STAMPS
    assert any("drive_2" in note and "ros2 bag reindex" in note for note in summary.notes)
    with open_bag(bag) as reader:
        times = [at_ns for _, at_ns, _ in read_messages(reader)]
        assert len({connection.topic for connection in reader.connections}) == 3
        assert sum(c.msgcount for c in reader.connections) == reader.message_count == len(times)
        assert (reader.start_time, reader.duration) == (START, 300 * MS)
    assert times == sorted(times)


@pytest.mark.parametrize("identifier", ["", "sqlite3", "other"])
def test_storage_is_known_from_the_content_and_not_from_the_metadata(tmp_path, identifier):
    bag = write_bag(tmp_path / "bag", MESSAGES)
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    information = metadata["rosbag2_bagfile_information"]
    information["storage_identifier"] = identifier
    information["topics_with_message_count"] = []
    information["message_count"] = 0
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    assert labelled_stamps(bag, tmp_path)[0] == STAMPS


def test_storage_is_known_from_the_content_and_not_from_the_name(tmp_path):
    bag = write_bag(tmp_path / "bag", MESSAGES, StoragePlugin.SQLITE3)
    (bag / "bag.db3").rename(tmp_path / "drive.mcap")
    assert labelled_stamps(tmp_path / "drive.mcap", tmp_path)[0] == STAMPS


@pytest.mark.parametrize(
    "content",
    ["", "rosbag2_bagfile_information: [", "version: 5", "\x00\x00", "a: " + "[" * 5000, "a: !b c"],
)
def test_damaged_metadata_is_said_and_does_without(tmp_path, content):
    bag = write_bag(tmp_path / "bag", MESSAGES)
    (bag / "metadata.yaml").write_text(content)
    stamps, summary = labelled_stamps(bag, tmp_path)
    assert stamps == STAMPS
    assert any("no usable metadata.yaml" in note for note in summary.notes)


def test_files_that_the_metadata_does_not_name_or_that_are_missing_are_said(tmp_path):
    bag = write_bag(tmp_path / "bag", MESSAGES)
    text = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(text.replace("- bag.mcap", "- bag.mcap\n  - bag_1.mcap"))
    shutil.copy(bag / "bag.mcap", bag / "copy.mcap")
    stamps, summary = labelled_stamps(bag, tmp_path)
    assert stamps == STAMPS
    notes = "\n".join(summary.notes)
    assert "bag_1.mcap is named in metadata.yaml, but is not there" in notes
    assert "copy.mcap is not named in metadata.yaml and is left out" in notes


def test_empty_split_of_a_killed_recorder_is_left_out(tmp_path):
    bag = write_splits(tmp_path / "drive", StoragePlugin.MCAP)
    (bag / "drive_2.mcap").write_bytes(b"")
    (bag / "drive_3.mcap").write_bytes(bytes(4096))
    stamps, summary = labelled_stamps(bag, tmp_path)
    assert stamps == STAMPS
    assert any("drive_3.mcap" in note and "left out" in note for note in summary.notes)


@pytest.mark.parametrize("end", [b"", bytes(4096), b"\x06" + bytes(3), b"\x05\xff\xff\xff\xff"])
def test_truncated_mcap_is_read_up_to_where_it_breaks_off(tmp_path, end):
    body = chunk(records_of([MESSAGES[-1], *MESSAGES[:4]]))
    (tmp_path / "cut.mcap").write_bytes(mcap(body, is_whole=False) + end)
    stamps, summary = labelled_stamps(tmp_path / "cut.mcap", tmp_path)
    assert stamps == STAMPS[:2]
    assert any("breaks off" in note and "mcap recover" in note for note in summary.notes)


def test_chunk_with_a_wrong_sum_ends_a_truncated_mcap(tmp_path):
    broken = bytearray(chunk(records_of(MESSAGES[4:])))
    broken[-50:] = bytes(50)
    body = chunk(records_of([MESSAGES[-1], *MESSAGES[:4]])) + bytes(broken)
    (tmp_path / "cut.mcap").write_bytes(mcap(body, is_whole=False))
    assert labelled_stamps(tmp_path / "cut.mcap", tmp_path)[0] == STAMPS[:2]


def test_truncated_mcap_without_a_whole_message_names_the_remedy(tmp_path):
    (tmp_path / "cut.mcap").write_bytes(mcap(b"", is_whole=False))
    with pytest.raises(BagError, match=r"cut.mcap is truncated .*mcap recover") as caught:
        segment_bag(tmp_path / "cut.mcap", tmp_path / "out", FakeSegmenter())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("profile", ["", "ros1", "px4"])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_mcap_of_any_profile_without_index_and_order_is_read_in_order(
    tmp_path, profile, is_chunked
):
    shuffled = [MESSAGES[i] for i in (3, 8, 0, 6, 2, 5, 1, 7, 4)]
    records = records_of(shuffled)
    body = chunk(records) if is_chunked else records
    (tmp_path / "drive.mcap").write_bytes(mcap(body, profile))
    assert labelled_stamps(tmp_path / "drive.mcap", tmp_path)[0] == STAMPS
    with open_bag(tmp_path / "drive.mcap") as reader:
        rows = [(at_ns, bytes(content)) for _, at_ns, content in read_messages(reader)]
        assert reader.notes == []
    assert [at_ns for at_ns, _ in rows] == sorted(START + ms * MS for _, ms, _ in MESSAGES)


@pytest.mark.parametrize("packer", ["zstd", "lz4"])
def test_packed_chunks_are_unpacked_and_bombs_are_not(tmp_path, packer):
    import lz4.frame

    pack = zstd.compress if packer == "zstd" else lz4.frame.compress
    records = records_of(MESSAGES)
    (tmp_path / "a.mcap").write_bytes(mcap(chunk(records, packer, packed=pack(records)), ""))
    assert labelled_stamps(tmp_path / "a.mcap", tmp_path)[0] == STAMPS
    bomb = chunk(b"", packer, size=1000, packed=pack(bytes(50_000_000)))
    (tmp_path / "b.mcap").write_bytes(mcap(bomb, ""))
    with pytest.raises(BagError, match=r"says it has 1000; it is damaged|truncated or damaged"):
        segment_bag(tmp_path / "b.mcap", tmp_path / "out", FakeSegmenter())
    (tmp_path / "c.mcap").write_bytes(mcap(chunk(b"", packer, size=1 << 40, packed=b""), ""))
    with pytest.raises(BagError, match="at most 1073741824 are unpacked"):
        segment_bag(tmp_path / "c.mcap", tmp_path / "out", FakeSegmenter())


def test_other_encodings_beside_ros_are_said_and_left_out(tmp_path):
    channel = b"\x63\x00\x00\x00" + raw_mcap.text("/gps") + raw_mcap.text("json") + bytes(4)
    body = records_of(MESSAGES) + raw_mcap.record(4, channel) + raw_mcap.message(99, START, b"{}")
    (tmp_path / "drive.mcap").write_bytes(mcap(body))
    stamps, summary = labelled_stamps(tmp_path / "drive.mcap", tmp_path)
    assert stamps == STAMPS
    assert any("/gps" in note and "json" in note for note in summary.notes)
    (tmp_path / "json.mcap").write_bytes(mcap(raw_mcap.record(4, channel)))
    with pytest.raises(BagError, match="encoded as json"):
        segment_bag(tmp_path / "json.mcap", tmp_path / "out", FakeSegmenter())


def test_journals_of_a_killed_sqlite_recorder_are_played_back_in_a_copy(tmp_path):
    bag = write_bag(tmp_path / "bag", MESSAGES, StoragePlugin.SQLITE3)
    file = bag / "bag.db3"
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    rows = database.execute("SELECT topic_id, timestamp, data FROM messages").fetchall()
    database.execute("DELETE FROM messages")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows)
    database.commit()
    killed = tmp_path / "killed"
    killed.mkdir()
    for left in bag.glob("bag.db3*"):
        if not left.name.endswith("-shm"):
            shutil.copy(left, killed)
    database.close()
    before = {path.name: path.read_bytes() for path in killed.iterdir()}
    stamps, summary = labelled_stamps(killed, tmp_path)
    assert stamps == STAMPS
    assert any("bag.db3-wal" in note for note in summary.notes)
    assert {path.name: path.read_bytes() for path in killed.iterdir()} == before


def test_truncated_sqlite_names_the_remedy(tmp_path):
    bag = write_bag(tmp_path / "bag", MESSAGES, StoragePlugin.SQLITE3)
    content = (bag / "bag.db3").read_bytes()
    (bag / "bag.db3").write_bytes(content[: len(content) // 4])
    with pytest.raises(BagError, match=r"bag.db3 is no readable .*\.recover") as caught:
        segment_bag(bag, tmp_path / "out", FakeSegmenter())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_packed_files_and_messages_need_no_metadata(tmp_path, mode):
    bag = write_bag(tmp_path / "bag", MESSAGES, StoragePlugin.SQLITE3, mode)
    with open_bag(bag) as reader:
        assert reader.notes == []
    (bag / "metadata.yaml").unlink()
    assert labelled_stamps(bag, tmp_path)[0] == STAMPS


def write_ros1(path, messages, latched=("/tf_static",), compression=None):
    writer = Writer1(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        connections = {}
        for topic, at_ms, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=NOETIC, latching=int(topic in latched)
                )
            raw = NOETIC.serialize_ros1(in_ros1(message), kind)
            writer.write(connections[topic], START + at_ms * MS, raw)
    return path


@pytest.mark.parametrize("kind", ["bag", "mcap", "mcap under ros2", "folder", "no suffix"])
def test_ros1_recordings_are_read_directly(tmp_path, kind):
    reference = write_bag(tmp_path / "reference", MESSAGES)
    labelled_stamps(reference, tmp_path)
    wanted = read_topic(tmp_path / "labelled", "/clip2scene/points")
    path = tmp_path / ("drive.mcap" if "mcap" in kind else "drive.bag")
    if "mcap" in kind:
        profile = "ros2" if "ros2" in kind else "ros1"
        path.write_bytes(mcap(chunk(records_of(MESSAGES, is_ros1=True)), profile))
    else:
        write_ros1(path, MESSAGES)
    if kind == "folder":
        (tmp_path / "drive").mkdir()
        path = path.rename(tmp_path / "drive" / "drive_0.bag").parent
    if kind == "no suffix":
        path = path.rename(tmp_path / "drive")
    labelled_stamps(path, tmp_path)
    found = read_topic(tmp_path / "labelled", "/clip2scene/points")
    assert len(found) == len(STAMPS)
    for (at_ns, cloud), (wanted_ns, wanted_cloud) in zip(found, wanted, strict=True):
        assert at_ns == wanted_ns
        assert cloud.header == wanted_cloud.header
        np.testing.assert_array_equal(cloud.data, wanted_cloud.data)


def test_own_message_types_of_ros1_are_copied(tmp_path):
    from rosbags.typesys import get_types_from_msg

    NOETIC.register(get_types_from_msg("Header header\nfloat32[] forces\n", "arm/msg/Forces"))
    message = NOETIC.types["arm/msg/Forces"](
        header=in_ros1(MESSAGES[1][2]).header, forces=np.array([1, 2], np.float32)
    )
    path = write_ros1(tmp_path / "drive.bag", MESSAGES)
    with Writer1(tmp_path / "arm.bag") as writer:
        connection = writer.add_connection("/forces", "arm/msg/Forces", typestore=NOETIC)
        writer.write(connection, START, NOETIC.serialize_ros1(message, "arm/msg/Forces"))
    (tmp_path / "drive").mkdir()
    for file in (path, tmp_path / "arm.bag"):
        file.rename(tmp_path / "drive" / file.name)
    assert labelled_stamps(tmp_path / "drive", tmp_path)[0] == STAMPS
    with open_bag(tmp_path / "labelled") as reader:
        (copied,) = [c for c in reader.connections if c.topic == "/forces"]
        assert "float32[] forces" in copied.msgdef.data
        ((_, _, content),) = read_messages(reader, [copied])
    assert bytes(content[-12:]) == np.array([2], "<u4").tobytes() + message.forces.tobytes()


def test_damaged_ros1_messages_and_bags_name_the_remedy(tmp_path):
    records = records_of(MESSAGES, is_ros1=True) + raw_mcap.message(2, START + MS, bytes(40))
    (tmp_path / "drive.mcap").write_bytes(mcap(records, "ros1"))
    with pytest.raises(BagError, match=r"/lidar_top: a sensor.* of 40 bytes .*rosbags-convert"):
        segment_bag(tmp_path / "drive.mcap", tmp_path / "out", FakeSegmenter())
    content = write_ros1(tmp_path / "drive.bag", MESSAGES).read_bytes()
    (tmp_path / "drive.bag").write_bytes(content[:-500])
    with pytest.raises(BagError, match=r"drive.bag is a .* or that is cut off; rosbag reindex"):
        segment_bag(tmp_path / "drive.bag", tmp_path / "out", FakeSegmenter())
    at = content.index(b"index_pos=") + len(b"index_pos=")
    (tmp_path / "drive.bag.active").write_bytes(content[:at] + bytes(8) + content[at + 8 :])
    with pytest.raises(BagError, match=r"recorder was killed, or .*rosbag reindex"):
        segment_bag(tmp_path / "drive.bag.active", tmp_path / "out", FakeSegmenter())


@pytest.mark.parametrize("compression", list(Writer1.CompressionFormat))
def test_packed_chunks_of_ros1_are_unpacked_within_a_bound(tmp_path, compression, monkeypatch):
    path = write_ros1(tmp_path / "drive.bag", MESSAGES, compression=compression)
    summary = segment_bag(path, tmp_path / "out", FakeSegmenter())
    assert summary.num_labelled
    monkeypatch.setattr(unpack, "MAX_CHUNK_BYTES", 100)
    with pytest.raises(BagError, match=r"drive\.bag .*a chunk unpacks to more than 100 bytes"):
        segment_bag(path, tmp_path / "out2", FakeSegmenter())


def test_packed_files_are_unpacked_within_bounds(tmp_path, monkeypatch):
    path = tmp_path / "bomb.mcap.zstd"
    path.write_bytes(zstd.compress(bytes(1_000_000)))
    monkeypatch.setattr(unpack, "ALWAYS_UNPACKED_BYTES", 100_000)
    with pytest.raises(BagError, match=r"bomb\.mcap\.zstd unpacks to more than 100000 bytes"):
        segment_bag(path, tmp_path / "out", FakeSegmenter())
    monkeypatch.undo()
    monkeypatch.setattr(unpack, "LEFT_FREE_BYTES", 1 << 60)
    with pytest.raises(BagError, match=r"does not fit into .*TMPDIR.* zstd -d .*bomb"):
        segment_bag(path, tmp_path / "out", FakeSegmenter())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"hello", "is neither an MCAP file"),
        (bytes(5000), "begins with zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (zstd.compress(b"hello"), "is neither an MCAP file"),
        (zstd.compress(bytes(100_000))[:-4], "truncated"),
    ],
)
def test_files_that_are_no_recording_say_what_they_are(tmp_path, content, why):
    (tmp_path / "drive.mcap").write_bytes(content)
    with pytest.raises(BagError, match=why) as caught:
        segment_bag(tmp_path / "drive.mcap", tmp_path / "out", FakeSegmenter())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "drive.mcap"))
