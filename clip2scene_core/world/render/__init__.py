"""Render a scene at one time: camera images and LiDAR sweeps.

Read `raycast` (hits of rays), `materials`, `ground_cover` and `pavement` (colours of hit points),
`lamplight`, `shading`, `camera` (images with class images), `sensor_rig` (extrinsics and times of
the sensors). Then the LiDAR: `lidar_response` (intensities and losses), `lidar_models` (the table),
`lidar_rays` (directions of a sweep), `own_body` (the vehicle in sight), `lidar_points` (what a
sweep gives) and `lidar`. Last `sensor_suite` draws LiDAR, place and cameras of a scene.
"""
