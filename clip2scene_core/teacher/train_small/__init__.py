"""Train the small CLIP: captioned pictures in, a CLIP file out.

Read `data` (pictures and random crops), `losses` (contrast of pictures and captions, of places and
phrases), then `loop` (the training, which can stop and go on).
"""
