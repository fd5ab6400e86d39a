"""`clip2scene bench world`: from nothing to every number of the model cards.

Read `plan` (the stages), `run`, `assembly` (counts to numbers), `result`, `report` (Markdown),
`cards` (model cards), then `shipped` (the models of this package).
"""
