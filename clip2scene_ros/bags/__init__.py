"""Bags in, labelled bags out, without ROS.

Read `io` (open and create bags), `messages`, `extrinsics`, `segment` (a bag through the segmenter),
`labelled_writer` and `labelled_reader`, then `from_dataset` (nuScenes scenes as bags).
"""
