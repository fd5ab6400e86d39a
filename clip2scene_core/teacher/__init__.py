"""The frozen CLIP teacher: from images and prompts to embeddings in one space.

Read `openclip` (the import, which takes seconds), `tokenizer` (text to tokens), `template` (the
setting of the sentence around a prompt; both do without open_clip), `small_clip` (the shipped CLIP
and its file), `transformers_layout` (names of transformers to those of open_clip), `weights` (a
file of CLIP's weights), `folder` (one with its configuration), `clip` (load a CLIP by name), `text`
(prompts to embeddings; refuses words that a CLIP does not know), `maskclip` (pixels to embeddings)
with the other `readouts` of a ViT, `cache` (pixel embeddings on disk), then `score` (classify
pictures and pixels). `train_small` trains the small CLIP.
"""
