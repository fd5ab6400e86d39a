"""A cloud of any sensor in, what a network is told out.

Read `reach` (which points count), `ground` (the plane under the sensor), `levelling` (turn and
shift a cloud, follow the ground over sweeps), `intensity` (the same scale for all sensors),
`network_input` (all of it in order), then `statistics` (what lies far from the training).
"""
