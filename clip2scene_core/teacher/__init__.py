"""The frozen CLIP teacher: from images and prompts to embeddings in one space.

Read `openclip` (the import, which takes seconds), `small_clip` (the shipped CLIP and its file),
`loading` (configurations and weights to models), `clip` (load a CLIP by name), `prompting` (prompts
to embeddings), `maskclip` (pixels to embeddings) with the other `readouts` of a ViT, those of a
`timm_tower`, `windows` over wide images and `refinement` by colors, `sampling` (embeddings at
pixels), `tiles` (parts of an image, for far things), `cache` (pixel embeddings on disk), then
`score` (classify pictures and pixels).
`train_small` trains the small CLIP.
"""
