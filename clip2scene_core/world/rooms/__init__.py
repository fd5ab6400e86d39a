"""Furnished rooms, seen by a depth camera, as a data set in ScanNet's layout.

Read `furniture` (one piece each), `room` (walls, and pieces along them), `depth_camera` (color and
depth images), `fusion` (images to one cloud), then `writer` (rooms to files).
"""
