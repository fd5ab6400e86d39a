"""From labelled keyframes to batches: points, labels of seen classes, pixels and image patches.

Read `patches` (which patch shows a point), `samples` (keyframes by index), then `batch`.
"""
