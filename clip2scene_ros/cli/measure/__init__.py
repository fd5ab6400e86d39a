"""Commands that say what a model is worth.

`evaluate`, `corrupt`, `bench`, `bench_tables` (its tables), `models` (those that ship).
"""
