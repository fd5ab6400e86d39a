"""The live node, in the order of a sweep; prompts and parameters change while it runs.

Read `inputs` and `subscription` (topics to the synchronizer), `session` (what a configured node
holds), `worker` (the thread that labels), `outputs/`, `services`, `background` (slow requests),
`logging`; `parameters/` is the table of parameters, `health/` the diagnostics.
"""
