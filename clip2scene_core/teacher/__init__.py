"""The frozen CLIP teacher."""
