"""Commands that measure models, and data.

Read `doctor` (whether data are fit to train on), `evaluate` (with `seen_unseen` and
`predictions`), `calibrate`, `corrupt`, `bench` (with `bench_shared`, `bench_tables`,
`bench_transfer`, `bench_augmentations`, `bench_speed` and `bench_zeroshot`), then `models` (those
that ship).
"""
