"""Recordings of any origin as one sequence of messages in ROS 2's encoding.

Read `storage` (one file of a recording), `chunks` (how large those of MCAP may be), `unpack` (what
is compressed, within bounds), `mcap_scan` (files without an index), `ros1` (its messages as those
of ROS 2), `files` (which belong to a recording), then `recording` (all of them as one).
"""
