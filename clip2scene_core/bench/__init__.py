"""Benchmarks: configurations or checkpoints in, tables with errors and provenance out.

Read `splits` (which scenes), `runs` (which students), `stages` (computed once, kept on disk),
`training_stages`, `measure/` (what is counted), `statistics` (means and differences with errors),
`results` (with `json_dataclass` on disk), `provenance`, `markdown`; `world/` and `tables/` are the
two benchmarks.
"""
