"""The topics of a recording: which are used and why not, how often they come, by whose clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clip2scene_core.doctor.finding import Finding, note, ok, problem, some
from clip2scene_core.doctor.stamps import check_nearest, check_stamps
from clip2scene_ros.bags.doctor.times import TopicTimes
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.topics import CLOUD_TYPE, TF_TYPE, Profile, resolved

_LONG_LAG_S: Final = 1.0
_APART_S: Final = 0.5


def check_topics(reader: Recording, profile: Profile) -> list[Finding]:
    """Say what of a recording is used, and what is passed over."""
    findings = [
        ok(
            "recording",
            f"{reader.duration / 1e9:.1f} s, {reader.message_count} messages on "
            f"{len(reader.connections)} topics; read as layout {profile.name!r}",
        )
    ]
    findings += [
        note("recording", line, "record anew, or repair the file, if that is needed")
        for line in reader.notes
    ]
    findings.append(ok("lidar", f"the cloud is {profile.cloud_topic}"))
    others = [
        resolved(connection.topic)
        for connection in reader.connections
        if connection.msgtype == CLOUD_TYPE and resolved(connection.topic) != profile.cloud_topic
    ]
    if others:
        findings.append(ok("lidar", f"other clouds are not used: {some(others)}"))
    if profile.cameras:
        named = [f"{name} ({topics.image})" for name, topics in profile.cameras.items()]
        findings.append(ok("cameras", f"{len(named)} are used: {some(named, 6)}"))
        for image, reason in profile.passed_over.items():
            remedy = "nothing, if another topic shows the same; else give it a CameraInfo"
            findings.append(note("cameras", f"{image} is passed over: {reason}", remedy))
    else:
        remedy = (
            "record a color image with a CameraInfo topic beside it, or give --camera-info-url; "
            "without a camera 'clip2scene segment --mode lidar' works, but nothing can be learned"
        )
        text = f"none can be used: {profile.why_no_camera()}"
        findings.append(problem("cameras", text, remedy))
    return findings


def check_times(
    reader: Recording, profile: Profile, sync: SyncOptions, times: Mapping[str, TopicTimes]
) -> list[Finding]:
    """Examine stamps and clocks of the topics that are used.

    Args:
        reader: The recording.
        profile: Topics of its cloud, cameras and odometry.
        sync: How they are used.
        times: Of the cloud, the cameras' images, and odometry.
    """
    lidar = times[profile.cloud_topic]
    if not len(lidar):
        remedy = "check that the LiDAR was on, and --points-topic"
        return [problem("lidar", f"{profile.cloud_topic} has no message", remedy)]
    findings = check_stamps("lidar", lidar.stamps_ns)
    for name, topics in profile.cameras.items():
        images = times[topics.image]
        subject = f"camera {name}"
        if not len(images):
            remedy = "check that the camera was on"
            findings.append(note(subject, f"{topics.image} has no message", remedy))
            continue
        findings += check_stamps(subject, images.stamps_ns)
        shifted = lidar.stamps_ns + round(sync.stamp_offset_s * 1e9)
        findings += check_nearest(subject, shifted, images.stamps_ns, sync.tolerance_s)
    if sync.pose_source == "odometry" and profile.odometry_topic in times:
        odometry = times[profile.odometry_topic]
        if len(odometry):
            findings += check_stamps("odometry", odometry.stamps_ns)
    tf = [connection for connection in reader.connections if connection.msgtype == TF_TYPE]
    if sync.pose_source == "tf" and not any(not c.topic.endswith("tf_static") for c in tf):
        remedy = "record /tf, or say where poses are: --poses odometry, a file, kiss-icp, or none"
        findings.append(problem("poses", "there is no /tf", remedy))
    return findings + _check_clocks(profile, times)


def _say(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if abs(seconds) < 10 else f"{seconds:.1f} s"


def _check_clocks(profile: Profile, times: Mapping[str, TopicTimes]) -> list[Finding]:
    """Compare the clocks of the sensors with that of the recorder."""
    lags = {topic: of_topic.lag_s for topic, of_topic in times.items() if any(of_topic.stamps)}
    if not lags:
        return []
    least, most = min(lags, key=lags.__getitem__), max(lags, key=lags.__getitem__)
    text = (
        f"messages come {_say(lags[least])} ({least}) to {_say(lags[most])} ({most}) after their "
        f"stamps"
    )
    own = lags.get(profile.cloud_topic, 0.0)
    apart = {topic: lag for topic, lag in lags.items() if abs(lag - own) > _APART_S}
    if apart:
        remedy = (
            "set the sensors' clocks by PTP or NTP; if only the cloud is off, the difference can "
            "be added to its stamps (stamp_offset)"
        )
        return [note("clocks", f"{some(apart)} and the cloud differ; {text}", remedy)]
    if max(abs(lag) for lag in lags.values()) > _LONG_LAG_S:
        remedy = "fine if all sensors share that clock; transforms and odometry must have it, too"
        return [note("clocks", f"stamps are not of the recorder's clock; {text}", remedy)]
    return [ok("clocks", text)]
