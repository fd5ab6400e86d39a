"""The layout of KITTI odometry, file by file.

Read `calibration` (its text files), then `sequence` (files of a sequence).
"""
