"""Clouds, images, calibrations and poses in any order in; sweeps with camera views out.

Read `topics` (which topic is the cloud, which are the cameras), `extrinsics` and
`camera_info_files` (what a file says instead), `poses`, `camera_buffer`, `pending` (a cloud that
waits), `sweeps` (options and results), `synchronizer` (all of it), `inputs` (which topic goes to
which of its methods), then `time_jumps`.
"""
