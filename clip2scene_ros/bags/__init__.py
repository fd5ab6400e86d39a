"""Bags in and labelled bags out, without ROS.

Read `storage` (one file of a recording), `chunks` (how large those of MCAP may be), `mcap_scan`
(files without an index), `ros1` (its messages as those of ROS 2), `files` (which belong to a
recording), `recording` (all of them as one), `io` (open and create bags), `messages`, `profile`
(topics), `extrinsics`, `labelled_writer`, `segment` (a bag through the segmenter),
`labelled_reader`; `from_dataset` (nuScenes scenes as bags); then `sweeps`, `pose_track` (poses
where a bag has none), `keyframes` and `to_dataset` (bags as a data set).
"""
