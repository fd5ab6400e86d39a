"""Sweeps, camera views and prompts in, labels and a map out: what runs on a robot.

Read `segmentation` (labels of one sweep; points that are not finite, too near or too far are left
out here and get none), `views` (a sweep turned and mirrored), `embedder` (the student at work),
`segmenter` (one sweep, by a student), `classifier_segmenter` (by a fine-tuned network),
`camera_segmenter` (pixels of the teacher, projected), `options`, `own_classes` (a fine-tuned
network in place of a student), `fusion` (student and cameras), `labelled_cloud`, `map_thread` (the
map takes up a sweep while the next one is labelled), `prepared_sweep` (a sweep on its way), then
`online` (sequences, with a map, a query, and prompts that change) and `pipeline` (several sweeps at
once).
"""
