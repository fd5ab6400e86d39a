"""`clip2scene bench tables`: Table 1 and Table 2 of the paper, and our ablations.

Read `rows` (what is compared), `plan` (what has to be trained), `scenes`, `finetuning`, `run`,
`assembly` (counts to cells), `result`, `report`, then `docs` (the page that shows them).
"""
