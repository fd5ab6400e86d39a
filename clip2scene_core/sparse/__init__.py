"""Points in, voxels with features out, and convolution on them.

Coordinates are (M, 4) int32 [batch, x, y, z]. Read `packed_keys`, `tensor`, `voxelize` (points to
voxels and back), `kernel_map` (which voxel meets which), then `conv`.
"""
