"""Losses: tensors in, one differentiable number out. A loss knows neither data sets nor networks.

`semantic_consistency` is Eq. (1) of CLIP2Scene, `spatial_temporal` is Eq. (2)-(4), `distillation`
and `info_nce` are the baselines KL, PPKT and SLidR, `supervised` is for fine-tuning.
"""
