"""Build a scene from a seed: a road, its light, and all objects at any time.

Read `road`, `weather`, `scene`, `street` (find free places), `roadside`, `traffic`, `worksite`
(place objects), then `build` (all of it in order).
"""
