"""Build a scene from a seed: a road, its light, and all objects at any time.

Read `road`, `relief` (its height), `weather`, `footing` (how objects stand), `scene`, `street`
(find free places), `roadside`, `traffic`, `worksite` (place objects on a street), `terrain` (draw a
relief), `places` (other places and their roads), `outdoors`, `yards` and `residential` (place their
objects), then `build` (all of it in order).
"""
