"""Points to voxels, and convolution on them."""
