"""Rigid transforms, motion compensation, and projection of LiDAR points into images.

Transforms are (4, 4) float64, named `T_target_source`, in metres. Read `se3` (compose, invert,
interpolate), `transform_tree` (frames over time, as in tf2), `deskew` (motion during a sweep),
`lens` (what a lens does to a ray), then `projection` (pairs of pixels and points).
"""
