"""Pre-training: keyframes and a frozen CLIP in, a student out. No label is read.

Read `run` (the whole run on one page), `prepare` (teacher embeddings, consensus and class weights),
`data/` (batches), `distiller` (the forward pass), `pseudo_labels`, `objective` (Eq. (1)-(4) and the
baselines), `label_counts` (what was taught), `class_weights`, `ema`, then `trainer` (the loss of a
batch). `audit` compares the pseudo labels with ground truth.
"""
