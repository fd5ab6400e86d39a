"""Points in, one feature, embedding or class score per point out.

Read `point_features` (the input), `row_batch_norm` and `blocks` (the parts), `minkunet` and
`spvcnn` (the networks), then `student` (embeddings in CLIP's space) and `classifier` (logits).
"""
