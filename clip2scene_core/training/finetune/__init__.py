"""Fine-tuning: labelled keyframes and, optionally, a student in; a classifier out.

Read `run` (the whole run on one page), `data` (which keyframes are used, and batches of them), then
`trainer` (the loss of a batch).
"""
