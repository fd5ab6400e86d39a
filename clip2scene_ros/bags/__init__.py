"""Bags in and labelled bags out, without ROS.

Read `io` (open and create bags), `messages`, `profile` (topics), `extrinsics`, `labelled_writer`,
`segment` (a bag through the segmenter), `labelled_reader`, then `from_dataset` (nuScenes scenes as
bags).
"""
