"""Commands that make worlds and models, in the order of their use.

`world`, `convert` (recordings), `clip` (the teacher), `pretrain`, `audit` (compares its labels with
3D labels), `average` (a student before and after a second pre-training), `import_checkpoint` (in
place of pre-training), `zeroshot`, `finetune`; for pre-training
`own_words` has the prompts, `start` what it begins with, `holdout` the stretch to compare on,
`progress` the bars, and `closing` the report.
"""
