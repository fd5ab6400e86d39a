"""Run the real node in a process of its own: bags and loads in, what became of them out.

Read `node_process`, `replay` (a bag over the middleware, for the demo), then `load_stream`,
`load_driver` and `load_report` (a robot's full load).
"""
