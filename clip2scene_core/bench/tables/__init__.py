"""`clip2scene bench tables`: the paper's tables 1 and 2, and the ablations, each from one command.

Read `rows` (what is compared), `plan` (what has to be trained), `scenes`, `finetuning`, `run`,
`assembly` (counts to cells), `result`, `report`, then `docs` (the page that shows them).
"""
