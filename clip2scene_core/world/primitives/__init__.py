"""What every object is made of: parts in, arrays for compiled loops out.

Read `jit` (the optional compiler), `parts` (boxes, ellipsoids, frustums), `noise`, then `bounds`
(the part of an image that a primitive can cover).
"""
