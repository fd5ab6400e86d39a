"""Typed configuration: from a YAML file and `--set` to frozen dataclasses; unknown keys are errors.

Read `sections` (the values and their defaults), `losses` and `augmentation` (the same, for losses
and for random changes of clouds and images), `parser` (read and check values), then `pretrain`,
`finetune` and `zeroshot` (the sections of each training).
"""
