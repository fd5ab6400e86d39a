"""Corrupt samples: bad weather and failing sensors.

Read `corruption` (eight kinds in five strengths, in physical units). `echoes` (corrupted points)
and `rings` (LiDAR rings) serve the kinds: `weather` (fog and rain, points), `haze` (fog and rain,
images), `sensor` (LiDAR) and `rig` (calibration, clocks, lost cameras). `apply` corrupts samples in
memory; `tables` and `writer` corrupt a data set on disk.
"""
