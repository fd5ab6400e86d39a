"""Students, references and a labelled split in, counts by scene out.

Read `labeller` (a sample is embedded once, then labelled in every mode), `references` (rules and
full supervision), `score`, `open_vocabulary` with `queries` (prompts that training did not have),
`unknown` (objects whose word is left out), `robustness`, `failures`, then `clip_evaluation` and
`clip_scores` (the teacher).
"""
