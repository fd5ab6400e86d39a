"""The ROS 2 shell around clip2scene_core: topics, transforms, bags, and the command line.

Read `messages/` (messages to arrays), `sync/` (clouds, images and poses to sweeps) and `labelling`
(a sweep to labels). `node/` does this live and `bags/` offline. `segment_node` is the node's
executable, `launch_arguments` serves the launch file and `share` finds installed files. `viewers/`
shows results, `harness/` runs the node for demo and load tests, `cli/` is the `clip2scene` command.
"""
