"""The primitives of all objects, as arrays for compiled loops.

Read `jit` (the optional compiler), `parts` (boxes, ellipsoids, frustums), `noise`, then `bounds`
(the part of an image that a primitive can cover).
"""
