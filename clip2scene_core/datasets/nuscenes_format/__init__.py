"""What names mean in nuScenes' format, in nuScenes itself and in other data sets of this format.

Read `rows` (the version, and fields of a table), `sensors` (which sensors are read), `categories`
(raw labels to classes), `scene_lists` (names of scenes in text files, and the official splits),
then `tokens` (of rows that we write).
"""
