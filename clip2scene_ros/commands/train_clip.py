"""`clip2scene train-clip`: train the small CLIP on captioned pictures of the embedded world."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from clip2scene_ros.commands.threads import add_threads_argument

if TYPE_CHECKING:
    from clip2scene_core.teacher.pictures import CaptionedPictures

SUMMARY = "train a small CLIP on captioned pictures of the embedded world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, required=True, help="CLIP to write (.safetensors)")
    parser.add_argument("--pictures", type=int, default=24000, help="pictures to train on")
    parser.add_argument("--held-out", type=int, default=2000, help="pictures to score on")
    parser.add_argument("--steps", type=int, default=3600, help="batches of 128 pictures")
    parser.add_argument(
        "--image-height", type=int, default=224, help="height at which images are labelled, pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="of pictures, weights and order")
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.device import use_threads
    from clip2scene_core.teacher.clip import load_clip
    from clip2scene_core.teacher.score import zero_shot_accuracy
    from clip2scene_core.teacher.small_clip import SmallClipShape, save_small_clip
    from clip2scene_core.teacher.tokenizer import split_words
    from clip2scene_core.teacher.train import (
        Progress,
        TrainingOptions,
        train_small_clip,
        with_scores,
    )
    from clip2scene_core.world.captions import SYNONYMS

    use_threads(arguments.threads)
    out = arguments.out
    if out.exists():
        raise ValueError(f"{out} exists; choose another --out or remove it")
    pictures = _take_pictures(arguments.pictures, arguments.seed, "pictures")
    options = TrainingOptions(
        shape=SmallClipShape(image_height=arguments.image_height),
        steps=arguments.steps,
        seed=arguments.seed,
    )
    with tqdm(desc="training", total=options.steps, unit="step") as bar:

        def report(progress: Progress) -> None:
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update(progress.step - bar.n)

        small_clip = train_small_clip(pictures, options, out, report)
    # Another seed is another set of scenes: nothing in these pictures was trained on.
    held_out = _take_pictures(arguments.held_out, arguments.seed + 1, "held-out pictures")
    clip = load_clip(f"small:{out}")
    class_of_prompt = {
        synonym: name
        for name, *synonyms in SYNONYMS
        for synonym in synonyms
        if set(split_words(synonym)) <= set(clip.known_words)
    }
    scores = zero_shot_accuracy(clip, held_out, class_of_prompt)
    save_small_clip(out, with_scores(small_clip, scores))
    for name, score in scores.items():
        print(f"{name}: {100 * score:.1f} %")
    print(f"small CLIP: {out}")


def _take_pictures(count: int, seed: int, description: str) -> CaptionedPictures:
    from clip2scene_core.teacher.pictures import CaptionedPictures
    from clip2scene_core.world.pictures import caption_pictures

    pictures = caption_pictures(count, seed)
    pairs = ((picture.image, picture.caption.text) for picture in pictures)
    return CaptionedPictures.collect(tqdm(pairs, total=count, desc=description))
