"""What each augmentation is worth on other sensors: taken away, and alone.

Read `rows` (what is compared), `worlds` (what is rendered), `scores` (what is counted), `run`,
`assembly` (counts to rows), `result`, `report`, then `docs` (the page that shows them).
"""
