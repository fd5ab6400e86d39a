"""Labelled bags and sweeps in, pictures or a Rerun recording out.

Read `report` (pictures and mIoU of a labelled bag), then `rerun` (needs the extra `viz`).
"""
