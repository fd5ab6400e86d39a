"""Students, references and a labelled split in, counts by scene out.

Read `labeller` (one look at a sample, any prompts, every mode), `score`, `references` (what results
are read against), `open_vocabulary` with `queries` (prompts that training never had), `robustness`,
`failures`, then `clip_evaluation` and `clip_scores` (the teacher).
"""
