"""Commands that label clouds and show the labels.

Read `demo`, `bag` (a scene as a bag), `sync_arguments` and `params_file` (the node's settings),
`scan_files` (scans in files to labels), `several_bags` (a job a bag), `segment` (bags or scans to
labels), `export` (labels as files of other tools), `export_network` (a student for programs without
Python), `view` (a labelled bag), `words` (the words that prompts may use), `load` (the node under a
robot's load), then `parameters` (the node's table).
"""
