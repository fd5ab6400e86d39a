"""Commands that make worlds and models, in the order of their use.

`world`, `clip` (the teacher), `pretrain`, `audit` (compares its labels with 3D labels),
`import_checkpoint` (in place of pre-training), `zeroshot`, `finetune`; `progress` has bars for two
of them.
"""
