"""What a user types in, text embeddings with names and colors out.

Read `prompt_set` (prompts as typed: groups, names, files; malformed ones are refused here),
`vocabulary` (labels with their embeddings), `scoring` (what the labels compete with), then
`text_encoder` (a CLIP, or a table that it filled, turns one into the other; a CLIP of another
student is refused here).
"""
