"""Commands that measure models.

Read `evaluate`, `calibrate`, `corrupt`, `bench` (with `bench_shared` and `bench_tables`), then
`models` (those that ship).
"""
