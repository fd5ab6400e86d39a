"""The synthetic world: render streets from a seed and write them in nuScenes' format.

From small to large: `primitives` (shapes, noise), `objects` (cars, trees, people), `layout` (a
street with traffic), `render` (images), `sensors` (LiDARs, and rigs of both), `dataset` (files with
ground truth). `captions` makes the pictures and captions for the training of the small CLIP;
`rooms` are indoors, in ScanNet's layout.
"""
