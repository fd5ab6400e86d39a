"""A scene and a moment in, a picture or a LiDAR revolution out.

Read `raycast`, `materials` and `pavement` (what a hit point looks like), `lamplight`, `shading`,
`camera` (pictures with class images), `sensor_rig` (where and when sensors fire), then `lidar`.
"""
