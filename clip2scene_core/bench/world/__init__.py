"""`clip2scene bench world`: every number of the model cards, from rendering to Markdown.

Read `plan` (the stages), `run`, `assembly` (counts to numbers), `result`, `report` (Markdown),
`cards` (model cards), then `shipped` (the models of this package).
"""
