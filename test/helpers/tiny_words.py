"""The words of `tiny_clip`."""

TINY_WORDS = ("car", "road", "tree")
