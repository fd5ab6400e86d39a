"""Pre-training the 3D network from the teacher."""
