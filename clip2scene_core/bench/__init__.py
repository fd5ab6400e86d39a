"""Benches: configurations or checkpoints in, numbers with errors and provenance out.

Read `splits` (which scenes), `runs` (which students), `stages` (computed once, kept on disk),
`training_stages`, `measure/` (what is counted), `statistics` (means and differences with errors),
`provenance`, `results` (with `json_dataclass` on disk), `markdown` and `table_page` (a table in its
page); `world/`, `tables/`, `transfer/`, `augmentations/`, `zeroshot/` and `speed/` are the benches.
"""
