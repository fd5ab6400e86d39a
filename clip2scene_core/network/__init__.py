"""The 3D networks: from points to one embedding or one row of class logits per point.

Read `point_features` (the input), `row_batch_norm` and `blocks` (the parts), `minkunet` and
`spvcnn` (the networks), then `student` (embeddings in CLIP's space) and `classifier` (logits), and
`folding` and `span` (networks without norms, and embeddings in fewer numbers, for inference).
"""
