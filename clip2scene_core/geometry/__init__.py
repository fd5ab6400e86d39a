"""Rigid transforms, and where a LiDAR point lies in time and in an image.

Transforms are (4, 4) float64, named `T_target_source`, in metres. Read `se3` (compose, invert,
interpolate), `transform_tree` (frames over time, as in tf2), `deskew` (motion during a sweep),
then `projection` (which pixel of a camera view shows which point).
"""
