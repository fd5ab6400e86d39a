"""A seed in, a scene out: a road, its light, and everything on it at any moment.

Read `road`, `weather`, `scene`, `street` (where there is room), `roadside`, `traffic`, `worksite`
(what fills it), then `build` (all of it in order).
"""
