"""Run the real node in another process, send it messages, and record what it answers.

Read `node_process`, `replay` (a bag over the middleware, for the demo), then `load_stream`,
`load_report` and `load_driver` (a robot's full load).
"""
