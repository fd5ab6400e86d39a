"""Commands that make worlds and models, in the order of their use.

`world`, `clip` (the teacher), `pretrain`, `audit` (how right the pseudo labels are), `finetune`.
"""
