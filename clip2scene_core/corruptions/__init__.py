"""Graded corruptions of sweeps and camera views, in memory and as whole data sets."""
