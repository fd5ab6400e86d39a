"""Messages in any order in; sweeps with a pose and camera views out.

Read `camera_topics` and `topics` (which are the cameras, which is the cloud), `extrinsics` and
`camera_info_files` (files in place of topics), `poses`, `sensor_frame` (where a cloud is seen
from), `camera_buffer`, `time_jumps`, `stamp_gate` (wrong stamps), `intensity` (its full scale),
`sweeps` (options and results), `pending` (a cloud that waits), `synchronizer` (uses all of these),
then `inputs` (which topic goes to which method of the synchronizer).
"""
