"""Losses: from tensors to one differentiable scalar. A loss imports no data set and no network.

`checks` refuses wrong arguments, `cosines` compares points with texts. `semantic_consistency` is
Eq. (1) of CLIP2Scene, `spatial_temporal` is Eq. (2)-(4). `distillation` (KL; the cosine of
OpenScene) and `info_nce` (PPKT, SLidR) are baselines. `cross_modal_alignment` is for zero-shot.
`supervised` is for fine-tuning.
"""
