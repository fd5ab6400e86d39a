"""The node's ROS parameters: declared from one table, checked as a whole, then applied.

Read `row` (one parameter), `table` (all parameters), `rules` (which values do not go together),
`live` (changes in a running node; a value or a prompt that does not fit is refused with the
reason), `options` (parameters to options of the synchronizer and the segmenter), then `export`
(YAML and Markdown).
"""
