"""What names mean in nuScenes' format, in nuScenes itself and in other data sets of this format.

Read `sensors` (which sensors are read), `categories` (raw labels to classes), then `scene_lists`
(names of scenes in text files, and the official splits).
"""
