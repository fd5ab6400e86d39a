"""Data sets in, checkpoints out. What both trainings share lies here.

Read `augmentation`, `loader` (batches from any step on), `fabric` (devices and processes), `optim`,
`resume` (the training checkpoint), `run_log`, then `pretrain/` (cameras teach, no labels) and
`finetune/` (a few labels).
"""
