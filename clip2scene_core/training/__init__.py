"""Data sets in, checkpoints out. This folder holds what all trainings share.

Read `loop` (the steps of a run), `loader` (batches, from any step on), `shared_memory` (batches
that come from workers), `terms` (losses of parts to that of a batch), `optim` (optimizer and
schedule), `resume` (the training checkpoint), `keyframe_digests` (what caches and checkpoints
belong to), `data_check` (what is looked for before a run), `point_columns` (do clouds and network
fit), `pretrained` (weights to begin with), `averaging` (weights before and after), `fabric`
(devices and processes), `augmentation/`, `run_log`, then `pretrain/` (without labels, from
cameras), `finetune/` (with a few labels) and `zeroshot/` (with labels of some classes, and cameras
for the others).
"""
