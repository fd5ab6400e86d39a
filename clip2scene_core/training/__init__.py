"""Data sets in, checkpoints out. This folder holds what all trainings share.

Read `loop` (the steps of a run), `loader` (batches, from any step on), `optim` (optimizer and
schedule), `resume` (the training checkpoint), `fabric` (devices and processes), `augmentation/`,
`run_log`, then `pretrain/` (without labels, from cameras), `finetune/` (with a few labels) and
`zeroshot/` (with labels of some classes, and cameras for the others).
"""
