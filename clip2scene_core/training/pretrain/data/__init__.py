"""Samples in, batches of points paired with pixel embeddings out.

Read `paired_sample` (drops points that are out of range or have NaN coordinates, pairs pixels with
points, numbers grids), `pixel_embeddings` (computed or cached), `consensus` and `consensus_cache`
(labels on which all cameras of a sequence agree), `student_votes` (a student that takes part),
`objects` (whose points agree, too), `superpixels` (for SLidR), `pair_check` (whether cameras see
anything), `samples` (loads a keyframe by its index), `kept_samples` (what it need not pair again),
then `batch`.
"""
