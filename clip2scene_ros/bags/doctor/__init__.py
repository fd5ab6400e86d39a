"""Examine recordings before hours are spent.

Read `times` (stamps of all topics, from the headers alone), `topics` (what is used, how often it
comes, by whose clock), `places` (poses, extrinsics, motion, keyframes), then `recording`, which
examines one recording.
"""
