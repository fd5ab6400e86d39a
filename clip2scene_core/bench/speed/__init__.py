"""The speed bench: what costs how much, always beside something else in the same run.

Read `sweeps` (what is labelled), `clock` (interleaved calls, quartiles), `machine` (what the
processor can do), `labelling` (one sweep, stage by stage), `variants` (processes that label
otherwise), `latency`, `peers` and `ops` (one convolution), `scale` (growth), `train` (one step),
`feeding` (what a step waits for), `result` (on disk), `run`, `report` and `charts`.
"""
