"""The node's ROS parameters: declared from one table, checked as a whole, then applied.

Read `row` (one parameter), `table` (all parameters), `live` (changes in a running node), `options`
(parameters to options of the synchronizer and the segmenter), then `export` (YAML and Markdown).
"""
