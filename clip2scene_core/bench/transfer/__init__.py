"""The transfer bench: students on positions, sensors and worlds that they were not trained with.

Read `worlds` (what is rendered), `changes` (a sensor that is moved or measures otherwise), `groups`
(coarse classes that all sources share), `real_frames` (labelled real frames on this disk), `scores`
(what is counted), `pictures`, `plan` (stages), `run`, `assembly`, `result` (on disk), `report` and
`cards`.
"""
