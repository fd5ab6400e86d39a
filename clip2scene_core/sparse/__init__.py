"""Sparse voxels: from points to voxels with features, and convolutions on them.

Coordinates are (M, 4) int32 [batch, x, y, z]. Read `packed_keys` (a voxel as one number),
`kernel_map` (the pairs of input and output voxels), `tensor` (voxels with features), `voxelize`
(points to voxels and back), then `conv`. `backend` takes the loops of `compiled` where it can.
`tiled_conv` convolves few channels on a CPU: `tiles` of output rows, the loops of `compiled_conv`,
and `threads`.
"""
