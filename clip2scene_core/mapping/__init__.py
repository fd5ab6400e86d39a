"""Build a labelled voxel map around the vehicle from labelled sweeps.

Read `evidence` (embeddings of the points of one sweep), `voxel_grid` (their means per voxel),
`free_space` (voxels that a sweep saw through; `compiled` has its loop), `labelled_map` (the map as
arrays and as a file), then `semantic_map` (all four together). The map can be labelled with any
prompts at any time.
"""
