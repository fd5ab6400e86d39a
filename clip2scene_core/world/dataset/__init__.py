"""Write scenes as a data set in nuScenes' format, or in SemanticKITTI's layout.

Read `options`, `splits` (the benchmark's scenes), `ground_truth` (class images, objects), `tables`,
`boxes`, `scene_writer` (one sequence), `scene_pool` (in several processes), `writer` (all
sequences); `kitti_labels` (what SemanticKITTI calls a part), `kitti_writer` (its sequences); then
`sheet` (a contact sheet).
"""
