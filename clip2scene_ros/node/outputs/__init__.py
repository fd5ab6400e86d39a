"""Labelled sweeps in, topics out.

Read `outputs` (all of them, from configure to cleanup), `clouds` (points, map, query, overlays),
`legend`, then `timing`.
"""
