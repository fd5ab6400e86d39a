"""Counts of what came and what was left out in, diagnostics that name topic, frame or camera out.

Read `statistics`, `checks`, then `diagnostics`.
"""
