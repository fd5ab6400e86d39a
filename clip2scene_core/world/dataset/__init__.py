"""Write scenes as a data set in nuScenes' format.

Read `options`, `splits` (the benchmark's scenes), `ground_truth` (class images, objects), `tables`,
`boxes`, `scene_writer` (one sequence), `writer` (all sequences), then `sheet` (a contact sheet).
"""
