"""Messages to arrays and back, for the message classes of rclpy and of rosbags alike.

Read `decode` (clouds, images, calibrations, poses), `point_times` (the time of each point),
`cloud_layouts` (labelled points as a PointCloud2), `legend` (the classes as JSON), then `quoting`
(texts of others in messages for people).
"""
