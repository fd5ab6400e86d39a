"""Labeled sweeps in, a labeled voxel map around the vehicle out.

Read `evidence` (what one sweep says of its points, open to any prompts), `voxel_grid` (evidence
summed up by place), `free_space` (places that a sweep saw through), `semantic_map` (all three
together), then `labelled_map` (the map as an array and as a file).
"""
