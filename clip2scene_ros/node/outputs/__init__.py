"""Labelled sweeps in, topics out.

Read `outputs` (all publishers), `clouds` (points, map, query, overlays), `legend`, then `timing`.
"""
