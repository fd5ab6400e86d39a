"""`clip2scene import-checkpoint`: make a released checkpoint of another code ours."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "convert a checkpoint of CLIP2Scene's, SPVNAS' or SLidR's released code; runs none of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checkpoint", type=Path, help="their file, such as model.pt")
    parser.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    parser.add_argument(
        "--words",
        nargs="+",
        metavar="WORD",
        help="texts of its embeddings, in their order; by default the classes of nuScenes if there "
        "are 16, those of SemanticKITTI if there are 19",
    )
    parser.add_argument(
        "--teacher",
        default="ViT-B-16/openai",
        help="the CLIP that encoded these words, which reads others, too",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.checkpoint import Trunk, save_checkpoint, save_trunk
    from clip2scene_core.official.convert import import_checkpoint

    out: Path = arguments.out
    if out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {out}")
    if out.exists():
        raise ValueError(f"{out} exists; choose another --out or remove it")
    imported = import_checkpoint(arguments.checkpoint, arguments.words, arguments.teacher)
    if isinstance(imported.result, Trunk):
        save_trunk(out, imported.result)
        network = imported.result.config
        print(f"trunk without words: {out}; 'clip2scene finetune --from' begins with it")
    else:
        save_checkpoint(out, imported.result)
        network = imported.result.config.network
        print(f"student of {len(imported.result.vocabulary)} words: {out}")
    print(
        f"{network.name}, width {network.width:g}, {network.voxels.coordinates} voxels of "
        f"{network.voxel_size_m:g} m"
    )
    if imported.set_aside:
        print(f"set aside, since no student has them: {', '.join(imported.set_aside)}")
