"""Training of the small CLIP: pictures with captions in, a CLIP file out.

Read `data` (pictures and random crops), `losses` (InfoNCE between pictures and captions, and
between places and phrases), `trained` (what a trained one gives to another), then `loop` (the
training, which can stop and resume).
"""
