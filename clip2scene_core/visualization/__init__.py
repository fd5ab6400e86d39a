"""Draw labelled sweeps and evaluation reports as pictures.

Read `clouds` (bird's-eye view, camera overlay, legend), `charts` (IoU, confusion, reliability),
`error_maps` (ground truth beside predictions), then `evaluation_files` (a report as a folder).
"""
