"""`clip2scene train-clip`: train the small CLIP on captioned pictures of the embedded world."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

SUMMARY = "train a small CLIP on captioned pictures of the embedded world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, required=True, help="CLIP to write (.safetensors)")
    parser.add_argument("--pictures", type=int, default=16000, help="pictures to train on")
    parser.add_argument("--held-out", type=int, default=2000, help="pictures to score on")
    parser.add_argument("--steps", type=int, default=3000, help="batches of 128 pictures")
    parser.add_argument("--width", type=int, default=16, help="channels of the image tower's stem")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.teacher.pictures import CaptionedPictures
    from clip2scene_core.teacher.small_clip import SmallClipShape
    from clip2scene_core.teacher.train import Progress, TrainingOptions, train_small_clip
    from clip2scene_core.world.pictures import caption_pictures

    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")
    pictures = CaptionedPictures.collect(
        tqdm(
            caption_pictures(arguments.pictures, arguments.seed),
            total=arguments.pictures,
            desc="pictures",
        )
    )
    options = TrainingOptions(
        shape=SmallClipShape(width=arguments.width), steps=arguments.steps, seed=arguments.seed
    )
    with tqdm(desc="training", total=options.steps, unit="step") as bar:

        def report(progress: Progress) -> None:
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update(progress.step - bar.n)

        train_small_clip(pictures, options, arguments.out, report)
    print(f"small CLIP: {arguments.out}")
