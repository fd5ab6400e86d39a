"""Commands that label clouds and show the labels.

`segment` (a bag), `view`, `words` (what prompts may say), `demo`, `bag` (a scene as a bag), `load`
(the node under a robot's load), `parameters` (of the node).
"""
