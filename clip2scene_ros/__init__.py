"""The ROS 2 shell around clip2scene_core: topics, transforms, bags and the command line.

`messages/` turns messages into arrays, `sync/` clouds, images and poses into sweeps, and both
`node/` (live) and `bags/` (offline) label those. `segment_node` is the node's executable,
`launch_arguments` serves the launch file, `viewers/` shows results, `harness/` runs the node for
demo and load tests, `cli/` is the `clip2scene` command.
"""
