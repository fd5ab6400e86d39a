"""The node's diagnostics: counts of sweeps and rejections in, items that name the fault out.

Read `statistics` (counts), `threshold` (limits), `sensor` (how the LiDAR sits), `checks` (counts to
items), then `diagnostics` (publishing and logging).
"""
