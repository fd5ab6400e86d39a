"""Files of others: what they are, and what they hold within bounds; nothing in them is run.

Read `damage` (what a reader raises on a damaged file becomes one error), `kind` (what a file is
that cannot be read), `names` (names in a data set that become paths), `text` (YAML and JSON),
`arrays` (.npz), `pictures` (the size in a header, before the pixels), `color_picture` (which of
them show colors), then `pickled` (torch.save and TorchScript to tensors).
"""
