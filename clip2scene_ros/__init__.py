"""The ROS 2 shell around clip2scene_core."""
