"""Random numbers in, whole objects with category, word, color and parts out.

Read `palette` and `looks`, the kinds `vehicles`, `machines`, `people`, `plants`, `structures`, then
`catalogue` (draw one of a kind).
"""
