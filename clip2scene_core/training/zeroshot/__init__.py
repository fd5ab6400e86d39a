"""Zero-shot training: labels of seen classes and a frozen CLIP in, a student of all classes out.

Read `run` (the whole run on one page), `data/` (batches with labels and image patches), `aligner`
(the forward pass), `labels` (who names a point), `thresholds` (which own labels count), `objective`
(the losses), then `trainer` (the loss of a batch, in two phases). It is our reconstruction of arXiv
2312.07221. The loop, the teacher and the pairs are those of pre-training.
"""
