"""Render a scene at one time: camera images, and the hits of any rays.

Read `raycast` (hits of rays), `materials`, `ground_cover` and `pavement` (colours of hit points),
`lamplight`, `shading` and `camera` (images with class images).
"""
