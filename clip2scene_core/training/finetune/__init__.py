"""Fine-tuning: labelled keyframes and perhaps a student in, a classifier out.

Read `run` (the whole on one page), `data` (which labels are used, and batches of them), then
`trainer` (the steps).
"""
