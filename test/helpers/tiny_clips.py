"""CLIPs of a few channels with random weights, and a layer of theirs written out."""

from __future__ import annotations

import torch

from clip2scene_core.teacher.clip import clip_of_model
from clip2scene_core.teacher.openclip import CLIP, open_clip

TEXT_CONFIG = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


def tiny_clip(layers, **vision_config):
    torch.manual_seed(0)
    config = {"layers": layers, "image_size": 64, "head_width": 16, **vision_config}
    model = CLIP(embed_dim=24, vision_cfg=config, text_cfg=TEXT_CONFIG, quick_gelu=True).eval()
    open_clip.model.set_model_preprocess_cfg(
        model, {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "size": 64}
    )
    for parameter in model.visual.parameters():  # zero gammas would hide whole branches
        parameter.data += 0.1 * torch.randn_like(parameter)
    return clip_of_model("tiny", model)


def layer_norm(x, norm):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * norm.weight + norm.bias
