"""Samples in, batches of points paired with pixel embeddings out.

Read `paired_sample` (drops points out of range, pairs pixels with points, numbers grids),
`pixel_embeddings` (embeddings of the pixels, computed or cached), `consensus` and `consensus_cache`
(labels on which all cameras of a sequence agree), `superpixels` (for SLidR), `samples` (loads a
keyframe by its index), then `batch`.
"""
