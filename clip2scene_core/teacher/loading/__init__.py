"""What a CLIP is made of: a configuration and tensors in, an open_clip model filled with them out.

Read `architecture` (open_clip's configurations; refuses what has no dense embeddings),
`transformers_layout` (names of transformers to those of open_clip), `weights` (a file of CLIP's
weights), then `folder` (one with its configuration).
"""
