"""Samples in, batches of points paired with pixel embeddings out.

Read `paired_sample` (points that are far or not finite are dropped here, pixels paired, grids
numbered), `pixel_embeddings` (the teacher, live or cached), `consensus` with `consensus_cache` (all
cameras of a sequence vote), `superpixels` (for SLidR), `samples` (by index), then `batch`.
"""
