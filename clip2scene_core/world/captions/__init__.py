"""Pictures of scenes with captions, for the training of the small CLIP, and questions about them.

Read `captions` (compose the caption of a picture), `aim` (what a free camera can show, and where it
looks), `pictures` (render pictures with captions), then `questions` (the questions that score a
CLIP).
"""
