"""`clip2scene segment` has the node's settings, and its messages name them as it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import ros_messages
import yaml
from checkout import ROOT
from fake_segmenter import FakeSegmenter
from small_bags import MS, POINTS, START, read_topic, small_bag, write_bag

from clip2scene_core.inference.options import OnlineOptions
from clip2scene_ros.cli.label import segment
from clip2scene_ros.cli.label.params_file import read_params_file
from clip2scene_ros.cli.label.sync_arguments import with_option_names
from clip2scene_ros.cli.main import main, make_parser
from clip2scene_ros.node.parameters.options import online_options
from clip2scene_ros.node.parameters.table import ROWS, NodeParameters

STAMPS = [0, 100, 200, 300]


@pytest.fixture
def label(tmp_path, monkeypatch):
    """Run the command with a segmenter that keeps what it was given; give it and the exit code."""

    def run(messages, *arguments, mode="lidar"):
        number = len(list(tmp_path.iterdir()))
        bag = write_bag(tmp_path / f"bag_{number}", messages)
        segmenter = FakeSegmenter()
        segmenter.out = tmp_path / f"labelled_{number}"

        def make(parsed):
            segmenter.options = OnlineOptions(mode=parsed.mode)
            segmenter.made_with = parsed
            return segmenter

        monkeypatch.setattr(segment, "make_segmenter", make)
        command = ["segment", bag, "--out", segmenter.out, "--mode", mode, *arguments]
        return segmenter, main(list(map(str, command)))

    return run


def stamps(segmenter):
    return [(sweep.stamp_ns - START) // MS for sweep in segmenter.sweeps]


def unstamped(messages):
    zero = ros_messages.header(0, "lidar_top")
    return [(t, ms, replace(m, header=zero) if t == "/lidar_top" else m) for t, ms, m in messages]


def test_zero_stamps_take_the_bags_time_if_asked(label, capsys):
    messages = unstamped(small_bag(STAMPS, 4))
    assert label(messages)[1] == 1
    assert "set --zero-stamp to 'arrival'" in capsys.readouterr().err
    segmenter, code = label(messages, "--zero-stamp", "arrival")
    assert (code, stamps(segmenter)) == (0, STAMPS)


def test_clouds_wait_for_a_late_pose_up_to_the_timeout(label, capsys):
    messages = [m for m in small_bag([0, 1500, 3000, 4500], 4) if m[0] != "/tf"]
    for ms in (0, 4500):
        pose = ros_messages.transforms((START + ms * MS, "map", "base_link", (ms / 100, 0, 0)))
        messages.append(("/tf", ms, pose))
    messages.sort(key=lambda row: row[1])
    segmenter, _ = label(messages)
    assert stamps(segmenter) == [0, 1500, 3000, 4500]
    np.testing.assert_allclose(
        [sweep.T_global_lidar[0, 3] for sweep in segmenter.sweeps], [0, 15, 30, 45]
    )
    segmenter, _ = label(messages, "--tf-timeout", "1")
    assert stamps(segmenter) == [0, 4500]
    segmenter, _ = label(messages, "--tf-timeout", "1", "--on-missing-tf", "single")
    assert stamps(segmenter) == [0, 1500, 3000, 4500]
    assert [sweep.is_located for sweep in segmenter.sweeps] == [True, False, False, True]


def test_many_clouds_without_pose_say_what_they_wait_for(label, capsys):
    messages = [m for m in small_bag(range(0, 3000, 10), 0) if m[0] != "/tf"]
    assert label(messages)[1] == 1
    assert "300 x no pose" in capsys.readouterr().err


def test_frames_of_a_lidar_odometry_are_to_be_named(label, capsys):
    messages = [m for m in small_bag(STAMPS, 0) if m[0] != "/tf_static"]
    for ms in STAMPS:
        pose = ros_messages.transforms((START + ms * MS, "camera_init", "body", (1, 0, 0)))
        messages.append(("/tf", ms, pose))
    messages = [
        (t, ms, replace(m, header=ros_messages.header(START + ms * MS, "body")))
        if t == "/lidar_top"
        else (t, ms, m)
        for t, ms, m in sorted(messages, key=lambda row: row[1])
    ]
    assert label(messages)[1] == 1
    error = capsys.readouterr().err
    assert "known frames: body, camera_init; name --fixed-frame and --base-frame as" in error
    assert "set --pose-source to none" in error
    segmenter, code = label(messages, "--fixed-frame", "camera_init", "--base-frame", "body")
    assert (code, stamps(segmenter)) == (0, STAMPS)


def test_stamp_offset_moves_clouds_and_leaves_their_headers(label):
    messages = small_bag(STAMPS, 4)
    late = []
    for topic, ms, message in messages:
        if topic == "/lidar_top":
            header = ros_messages.header(START + (ms + 37_000) * MS, "lidar_top")
            message = replace(message, header=header)
        late.append((topic, ms, message))
    assert label(late)[1] == 1
    segmenter, code = label(late, "--stamp-offset", "-37")
    assert (code, stamps(segmenter)) == (0, STAMPS)
    (_, first), *_ = read_topic(segmenter.out, "/clip2scene/points")
    assert first.header.stamp.sec == START // (1000 * MS) + 37


def test_odometry_without_frames_is_the_robots(label):
    messages = [m for m in small_bag(STAMPS, 0) if m[0] != "/tf"]
    for ms in STAMPS:
        messages.append(("/odom", ms, ros_messages.odometry(START + ms * MS, "", "", (ms, 0, 0))))
    messages.sort(key=lambda row: row[1])
    segmenter, _ = label(messages, "--pose-source", "odometry")
    assert stamps(segmenter) == STAMPS


def with_camera(messages, image="/basler/image_color/compressed", info="/basler/camera_info"):
    frame = "cam_front"
    edge = ros_messages.transforms((START, "base_link", frame, (1, 0, 1)))
    rows = [*messages, ("/tf_static", 0, edge)]
    for ms in STAMPS:
        at_ns = START + ms * MS
        rows.append((image, ms, ros_messages.compressed_image(ros_messages.jpeg(), at_ns, frame)))
        if info:
            rows.append((info, ms, ros_messages.camera_info(at_ns, frame)))
    return sorted(rows, key=lambda row: row[1])


def views(segmenter):
    return [[view.name for view in cameras] for cameras in segmenter.cameras]


def test_fused_finds_cameras_by_their_usual_names(label):
    segmenter, code = label(with_camera(small_bag(STAMPS, 4)), mode="fused")
    assert (code, views(segmenter)) == (0, [["basler"]] * 4)


@pytest.mark.parametrize("mode", ["fused", "camera"])
def test_mode_with_cameras_and_none_that_can_be_used_is_an_error(label, capsys, mode):
    assert label(small_bag(STAMPS, 4), mode=mode)[1] == 1
    assert "there is no topic with images" in capsys.readouterr().err
    segmenter, code = label(with_camera(small_bag(STAMPS, 4), info=None), mode=mode)
    error = capsys.readouterr().err
    assert (code, segmenter.sweeps) == (1, [])
    assert "/basler/image_color/compressed: there is no /basler/camera_info" in error
    assert "--camera-info-url" in error
    assert not segmenter.out.exists()


def test_fused_whose_cameras_serve_no_cloud_is_an_error_with_the_reasons(label, capsys):
    messages = with_camera(small_bag(STAMPS, 4))
    away = [m for m in messages if not (m[0] == "/tf_static" and m[1] == 0)]
    segmenter, code = label(away, mode="fused")
    error = capsys.readouterr().err
    assert code == 1
    assert "none of 4 clouds had an image" in error
    assert "cam_front" in error
    assert not segmenter.out.exists()


def test_cameras_of_any_name_can_be_named(label):
    messages = with_camera(small_bag(STAMPS, 4), "/a/view_left", "/b/left_calibration")
    segmenter, code = label(
        messages,
        "--camera-image-topic",
        "/a/view_{camera}",
        "--camera-info-topic",
        "/b/{camera}_calibration",
        "--cameras",
        "left",
        mode="fused",
    )
    assert (code, views(segmenter)) == (0, [["left"]] * 4)


@pytest.mark.parametrize("at_ms", [-50, 250])
def test_camera_info_that_came_once_serves_all_images(label, at_ms):
    messages = [m for m in with_camera(small_bag(STAMPS, 4)) if m[0] != "/basler/camera_info"]
    messages.append(("/basler/camera_info", at_ms, ros_messages.camera_info(frame="cam_front")))
    messages.sort(key=lambda row: row[1])
    segmenter, _ = label(messages, mode="fused")
    assert views(segmenter) == [["basler"]] * 4


def test_bag_without_a_point_that_gets_a_label_is_an_error(label, capsys):
    nothing = POINTS.copy()
    nothing[:, 0] = np.nan
    messages = [
        (t, ms, ros_messages.cloud(nothing, START + ms * MS) if t == "/lidar_top" else m)
        for t, ms, m in small_bag(STAMPS, 4)
    ]
    segmenter, code = label(messages)
    assert code == 1
    assert "none of 16 points of 4 clouds got a label" in capsys.readouterr().err
    assert not segmenter.out.exists()


def params_file(path, values):
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path


def test_parameter_file_of_the_node_holds_and_what_is_typed_wins(label, tmp_path):
    values = {"zero_stamp": "arrival", "use_sim_time": True, "map": {"voxel_size": 0.5}}
    values |= {"prompts": ["van", "tree"], "prompt_names": ["lorry", "wood"], "tf_timeout": 2}
    file = params_file(tmp_path / "params.yaml", values)
    segmenter, code = label(unstamped(small_bag(STAMPS, 4)), "--params-file", file)
    assert (code, stamps(segmenter)) == (0, STAMPS)
    assert segmenter.vocabulary.names == ("lorry", "wood")
    assert segmenter.made_with.online_options == {"map_voxel_size_m": 0.5}
    assert segmenter.made_with.tf_timeout == 2
    typed = ("--params-file", file, "--tf-timeout", "3", "--zero-stamp", "reject")
    segmenter, code = label(unstamped(small_bag(STAMPS, 4)), *typed)
    assert (code, segmenter.sweeps) == (1, [])
    assert segmenter.made_with.tf_timeout == 3


def test_how_clip_reads_images_is_taken_from_the_file(label, tmp_path):
    values = {"mode": "fused", "readout": "naclip", "window": 112, "refinement": 3}
    file = params_file(tmp_path / "params.yaml", values)
    segmenter, _ = label(with_camera(small_bag(STAMPS, 4)), "--params-file", file, mode="fused")
    made_with = segmenter.made_with
    assert (made_with.readout, made_with.window, made_with.refinement) == ("naclip", 112, 3)
    options = online_options(NodeParameters(window=112, window_step=56, refinement=3))
    assert (options.window, options.window_step, options.refinement) == (112, 56, 3)


def test_shipped_parameter_file_changes_nothing(label):
    messages = with_camera(small_bag(STAMPS, 4))
    file = ROOT / "config/segment_node.yaml"
    segmenter, code = label(messages, "--params-file", file, mode="fused")
    assert (code, views(segmenter)) == (0, [["basler"]] * 4)
    assert segmenter.made_with.online_options == {}
    assert segmenter.vocabulary.prompts == FakeSegmenter().vocabulary.prompts


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"zero_stamps": "arrival"}, "unknown parameter 'zero_stamps'; did you mean 'zero_stamp'"),
        ({"zero_stamp": "never"}, "'zero_stamp' must be one of reject, arrival"),
        ({"tf_timeout": "soon"}, "'tf_timeout' must be like 1.0; got 'soon'"),
        ({"prompts": "car"}, "'prompts' must be like"),
        ({}, "has no ros__parameters"),
    ],
)
def test_parameter_file_that_does_not_fit_is_refused(label, tmp_path, capsys, values, why):
    file = params_file(tmp_path / "params.yaml", values)
    segmenter, code = label(small_bag(STAMPS, 4), "--params-file", file)
    error = capsys.readouterr().err
    assert (code, segmenter.sweeps) == (1, [])
    assert why in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["[" * 5000, "a: 2026-13-45", "a: !!python/name:os.x ''", "\x00"]
)
def test_a_damaged_parameter_file_is_named(tmp_path, content):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"params\.yaml: not valid YAML"):
        read_params_file(tmp_path / "params.yaml")


def test_parameters_of_other_nodes_are_not_read(tmp_path):
    content = {
        "/other": {"ros__parameters": {"zero_stamp": 5}},
        "/robot/clip2scene": {"ros__parameters": {"zero_stamp": "arrival"}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    values = read_params_file(tmp_path / "params.yaml")
    assert values == replace(NodeParameters(), zero_stamp="arrival")


def test_every_parameter_of_the_synchronizer_is_an_option():
    arguments = vars(make_parser().parse_args(["segment", "bag", "--out", "out"]))
    rows = {row.name.replace(".", "_") for row in ROWS}
    wanted = {
        name
        for name in rows
        if name.startswith(("sync_", "tf_", "camera_i"))
        or name.endswith(("_frame", "_stamp", "_offset", "_extrinsics", "_overrides", "_source"))
    }
    only_live = {"sync_min_cameras"}
    assert wanted - set(arguments) - only_live == set()


def test_messages_name_settings_as_the_command_does_and_leave_paths():
    settings = {"zero_stamp", "sync_max_wait", "bag", "tf_timeout"}
    text = "/data/zero_stamp/a.mcap: set zero_stamp to 'arrival', sync.max_wait or on_missing_tf"
    assert with_option_names(text, settings) == (
        "/data/zero_stamp/a.mcap: set --zero-stamp to 'arrival', --sync-max-wait or on_missing_tf"
    )
