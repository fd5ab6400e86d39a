"""Bags in and labelled bags out, without ROS.

Read `reading/` (any recording as messages), `io` (open and create bags), `messages`, `profile`
(topics), `extrinsics`, `labelled_writer`, `segment` (a bag through the segmenter),
`labelled_reader`; `from_dataset` (nuScenes scenes as bags); then `sweeps`, `labelled_stream` (a
labelled bag scan by scan), `pose_track` (poses where a bag has none), `keyframes` and `to_dataset`
(bags as a data set); `doctor/` examines bags before that.
"""
