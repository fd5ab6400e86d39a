"""Labelled sweeps in; pictures, mIoU or a Rerun recording out.

Read `report` (pictures and mIoU of a labelled bag), then `rerun` (needs the extra `viz`).
"""
