"""CLIPs with small image towers of timm and random weights, as open_clip builds the large ones."""

from __future__ import annotations

from functools import partial

import torch

from clip2scene_core.teacher.clip import clip_of_model
from clip2scene_core.teacher.loading.architecture import make_model
from clip2scene_core.teacher.openclip import open_clip

TEXT_CONFIG = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}

SIGLIP = ("vit_base_patch16_siglip_224", "map", "none")
PE = ("vit_pe_core_base_patch16_224", "map", None)
PE_WITHOUT_CLASS = ("vit_pe_core_gigantic_patch14_448", "map", None)
EVA02 = ("eva02_base_patch16_clip_224", "token", None)
EVA02_POST_NORM = ("eva02_enormous_patch14_clip_224", "token", None)
MOBILE_CLIP = ("vit_large_patch14_clip_224", "token", None)
GAP = ("vit_medium_patch16_gap_256", "", "linear")
TIMM_TOWERS = (SIGLIP, PE, PE_WITHOUT_CLASS, EVA02, EVA02_POST_NORM, MOBILE_CLIP, GAP)

WIDTH, DEPTH, HEADS, SIZE, EMBEDDING = 32, 3, 2, 64, 24


def tiny_timm_config(tower):
    name, pool, projection = tower
    vision = {
        "timm_model_name": name,
        "timm_pool": pool,
        "timm_proj": projection,
        "image_size": SIZE,
    }
    return {
        # SigLIP's head is none, so that its embeddings are as wide as its tower.
        "embed_dim": WIDTH if projection == "none" else EMBEDDING,
        "custom_text": True,
        "vision_cfg": vision,
        "text_cfg": TEXT_CONFIG,
    }


def shrink_timm(monkeypatch):
    """Make timm build every ViT with few channels and blocks."""
    timm = open_clip.timm_model.timm
    small = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS, "img_size": SIZE}
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, **small, patch_size=16))


def tiny_timm_clip(monkeypatch, tower):
    torch.manual_seed(0)
    shrink_timm(monkeypatch)
    model = make_model("tiny", tiny_timm_config(tower)).eval()
    preprocessing = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "size": SIZE}
    open_clip.model.set_model_preprocess_cfg(model, preprocessing)
    for parameter in model.visual.parameters():  # zero gammas would hide whole branches
        parameter.data += 0.1 * torch.randn_like(parameter)
    return clip_of_model("tiny", model)
