"""Scenes in, a data set in nuScenes' format out.

Read `options`, `splits` (the benchmark's scenes), `truth` (class images, object of each point),
`tables`, `boxes`, `scene_writer` (one sequence), `writer` (all), then `sheet` (a contact sheet).
"""
