"""Messages to arrays and back, for the message classes of rclpy and of rosbags alike.

Read `decode` (clouds, images, poses), `colors` (of a depth camera's cloud), `encodings` (which
images are color pictures), `raw_colors` (those of Bayer and YUV images), `camera_info`
(calibrations), `point_times` (the time of each point), `cloud_layouts` (labelled points as a
PointCloud2), `legend` (the classes as JSON), then `quoting` (texts of others in messages for
people).
"""
