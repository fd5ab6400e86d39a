"""What carries cameras and a LiDAR through a scene, and what the LiDAR measures.

Read `sensor_rig` (extrinsics and times of nuScenes' sensors). Then the LiDAR: `lidar_surfaces`
(what windows, paint and ground return where they vary), `lidar_response` (intensities and losses),
`lidar_models` (the table), `lidar_rays` (directions of a sweep), `own_body` (the vehicle in
sight), `lidar_points` (what a sweep gives) and `lidar`. Last `sensor_suite` draws LiDAR, place and
cameras of a scene.
"""
