"""Scenes in, captioned pictures and questions about them out: what the small CLIP learns from.

Read `captions` (what a picture shows, in words), `pictures` (rendered with their captions), then
`questions` (what a CLIP is asked when it is scored).
"""
