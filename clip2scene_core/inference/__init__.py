"""Sweeps, camera views and prompts in, labels and a map out: what runs on a robot.

Read `segmenter` (one sweep; points that are not finite are left out here and get no label),
`camera_segmenter` (pixels of the teacher, projected), `fusion` (both), `options`,
`labelled_cloud`, then `online` (sequences, with a map, a query, and prompts that change).
"""
