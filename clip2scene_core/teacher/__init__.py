"""The frozen CLIP teacher: images and prompts in, embeddings in one space out.

Read `openclip` and `clip` (load one by name), `tokenizer` and `text` (prompts to embeddings; a word
that a CLIP does not know is refused here), `maskclip` (pixels to embeddings), `cache` (kept on
disk), `small_clip` (the one that ships), `score` (how well a CLIP names pictures); `train_small`
trains the small one.
"""
