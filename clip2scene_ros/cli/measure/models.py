"""`clip2scene models`: list the models that ship."""

from __future__ import annotations

import argparse
import dataclasses
import json

SUMMARY = "list the models that ship, with their cards and numbers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.world.shipped import list_models

    models = list_models()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(model) for model in models], indent=1, default=str))
        return
    for model in models:
        print(f"{model.name} ({model.kind})")
        print(f"  {model.size_bytes / 1e6:.1f} MB, {model.num_parameters / 1e6:.2f} M parameters")
        if model.width is not None:
            print(f"  network width {model.width:g}, voxels of {model.voxel_size_m:g} m")
        print(f"  trained on {model.trained_on}")
        for name, value in model.scores.items():
            print(f"  {name}: {100 * value:.1f} %")
        print(f"  card: {model.card}")
