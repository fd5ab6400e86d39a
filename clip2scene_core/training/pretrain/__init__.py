"""Pre-training: keyframes and a frozen CLIP in, a student out; no label is read.

Read `run` (the whole on one page), `prepare` (what the teacher says), `data/`, `pseudo_labels`,
`distiller` (one batch through the student), `objective` (Eq. (1)-(4) and the baselines, weighted),
`class_weights`, `ema`, then `trainer` (the steps). `audit` says how right the pseudo labels are.
"""
