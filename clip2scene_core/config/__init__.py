"""Typed configuration: a YAML file and `--set` in, frozen dataclasses out; unknown keys are errors.

Read `sections` (what can be set, with defaults), `parser` (how text becomes values and is refused),
then `pretrain` and `finetune` (which sections each training has).
"""
