"""Examine data before hours are spent, and a training after: what is found, and what to do.

Read `finding` (one thing that was found), `files` (missing and damaged ones), `splits`, `stamps`,
`motion` (poses over time), `clouds`, `cameras`; `edges` (depth on pictures: how well a calibration
fits), `offset` (the same over time), `picture` (the same to look at), `keyframes` (all of these of
some keyframes), `cost` (of the teacher's pass); then `dataset`, which examines a data set. After
a training `coverage` and `words` say what to record more of.
"""
