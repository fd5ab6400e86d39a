"""Messages in, arrays out, and back; rclpy's classes and those of rosbags look alike.

Read `decode` (clouds, images, calibrations, poses), `point_times` (when each point was measured),
`cloud_layouts` (labelled points as a PointCloud2), then `legend`.
"""
