"""The layout of KITTI odometry, file by file.

Read `calibration` (its text files), `sequence` (files of a sequence), then `label_files`
(predictions as SemanticKITTI's evaluator reads them).
"""
