"""Scenes in, a data set in nuScenes' format out.

Read `options`, `splits` (the benchmark's scenes), `ground_truth` (class images, objects), `tables`,
`boxes`, `scene_writer` (one sequence), `writer` (all of them), then `sheet` (a contact sheet).
"""
