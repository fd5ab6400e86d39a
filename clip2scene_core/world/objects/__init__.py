"""Draw random objects with category, word, colour and parts.

Read `palette` (colours) and `looks` (the record of an object), the builders `vehicles`, `machines`,
`people`, `plants` and `structures`, then `catalogue` (draw one object of a kind).
"""
