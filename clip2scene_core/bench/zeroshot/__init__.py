"""`clip2scene bench zeroshot`: zero-shot training without each of its parts, on rendered scenes.

Read `rows` (what is compared), `groups` (numbers of seen and unseen classes), `scores` (labellers
with calibrated stacking), `run`, `assembly` (counts to rows), `result`, `report`, then `docs` (the
page that shows them). Scenes, provenance and the frame of the report are those of `tables/`.
"""
