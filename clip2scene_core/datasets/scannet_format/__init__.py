"""The layout of ScanNet, file by file.

Read `ply` (vertices), then `frames` (RGB-D frames of a scene).
"""
