"""Render a scene at one time: camera images and LiDAR revolutions.

Read `raycast` (hits of rays), `materials` and `pavement` (colours of hit points), `lamplight`,
`shading`, `camera` (images with class images), `sensor_rig` (extrinsics and times of the sensors),
then `lidar`.
"""
