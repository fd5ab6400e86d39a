"""`clip2scene pretrain`: distil the teacher into a student."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clip2scene_ros.commands.threads import add_threads_argument

SUMMARY = "pre-train a student from a frozen CLIP; reads no 3D label"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", type=Path, help="data set in nuScenes' format")
    parser.add_argument("--version", help="version folder, if there are several")
    parser.add_argument(
        "--scenes", type=Path, help="text file with the names of the scenes to use, one a line"
    )
    parser.add_argument("--config", type=Path, help="YAML file that overrides the defaults")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint (.safetensors)")
    parser.add_argument(
        "--pseudo-labels",
        type=Path,
        metavar="FILE",
        help="keep the teacher's labels in this file (.safetensors), or take them from it",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    # Torch and CLIP take seconds to import: `clip2scene --help` must not wait for them.
    from clip2scene_core.config import PretrainConfig, load_config
    from clip2scene_core.datasets import NuScenesDataset
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.pretrain import PretrainProgress, pretrain

    use_threads(arguments.threads)
    config = load_config(arguments.config) if arguments.config else PretrainConfig()
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {arguments.out}")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")
    scenes = arguments.scenes.read_text().split() if arguments.scenes else None
    dataset = NuScenesDataset(arguments.dataset, arguments.version, scenes)
    bars: dict[str, Any] = {}

    def report(progress: PretrainProgress) -> None:
        if progress.stage not in bars:
            initial = progress.step - 1
            bars[progress.stage] = tqdm(
                total=progress.num_steps, initial=initial, desc=progress.stage, unit="step"
            )
        bar = bars[progress.stage]
        bar.set_postfix(loss=f"{progress.loss:.3f}", pairs=progress.num_pairs, refresh=False)
        bar.update()

    try:
        pretrain(
            dataset,
            config,
            arguments.out,
            report,
            arguments.device,
            pseudo_labels=arguments.pseudo_labels,
        )
    finally:
        for bar in bars.values():
            bar.close()
    print(f"student: {arguments.out}")
