"""From words to embeddings.

Read `template` (the setting of the sentence around a prompt) and `tokenizer` (text to tokens),
which do without open_clip, `hub_tokenizer` (those of SigLIP and others), `prompts` (prompts to
embeddings; refuses words that a CLIP does not know), then `text_tower` (tokens to embeddings).
"""
