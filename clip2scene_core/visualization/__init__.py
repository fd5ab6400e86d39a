"""Draw labelled sweeps, evaluation reports and trainings as pictures.

Read `clouds` (bird's-eye view, camera overlay, legend), `charts` (IoU, confusion, reliability),
`error_maps` (ground truth beside predictions), `evaluation_files` (a report as a folder), then
`word_pictures` (student beside teacher) and `closing_page` (a training's report as a page).
"""
