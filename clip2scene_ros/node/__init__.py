"""The parts of the live node, whose prompts and parameters may change while it runs.

Read `parameters/` (the table of parameters), `inputs`, `subscription` and `bounds` (topics to the
synchronizer), `session` (what a configured node holds), `map_folder` (what it may write), `worker`
(the thread that labels), `outputs/`, `health/` (diagnostics), then `services`, `background` (slow
requests), `logging`, `interruption` (how the process ends), `requirements` (what it needs) and
`idle_threads` (what it leaves to others).
"""
