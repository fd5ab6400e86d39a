"""Checkpoints of the codes that CLIP2Scene, SPVNAS and SLidR released, made ours.

Read `pickled` (a file of torch.save to tensors; nothing of it is run), `names` (what the released
codes call a layer), `weights` (their tensors into our network, none missing and none left over),
`sizes` (which network and which voxels a checkpoint needs), then `convert` (the whole way).
"""
