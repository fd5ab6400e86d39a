"""Random augmentation of clouds and images.

Read `clouds` (one sweep: rotated, then seen by another sensor), and its parts `beams` (which points
a beam measured, and its errors), `dropout` (which points survive), `placement` (where the sensor
stands) and `intensity`, then `mixing` (two clouds of a batch) and `images`.
"""
