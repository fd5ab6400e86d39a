"""The synthetic world: a seed in, a street as a data set in nuScenes' format out.

From small to large: `primitives` (shapes, noise), `objects` (cars, trees, people), `layout` (a
street with traffic), `render` (camera and LiDAR), `dataset` (files with ground truth); `captions`
makes the pictures that the small CLIP learns from.
"""
