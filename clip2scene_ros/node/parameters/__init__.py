"""The node's parameters: declared once, checked as a whole, then applied.

Read `row` (what is known of a parameter), `table` (all of them), `live` (in a running node; a value
or a prompt that does not fit is answered with the reason), `options` (what they mean to the
synchronizer and the segmenter), then `export` (as YAML and Markdown).
"""
