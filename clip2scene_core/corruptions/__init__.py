"""Samples in, the same samples in worse weather or with failing sensors out.

Read `corruption` (eight kinds in five strengths, in physical units), then what they do: `weather`,
`haze`, `sensor`, `rig`, with `rings` and `echoes` below; `apply` corrupts in memory, `tables` and
`writer` corrupt a data set on disk.
"""
