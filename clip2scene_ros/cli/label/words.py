"""`clip2scene words`: the words that prompts may use, or texts for a robot without a CLIP."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "list the words that a small CLIP knows, or let a CLIP read texts for a robot without one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--teacher", help="CLIP, as `segment` names it; by default the one that taught the student"
    )
    parser.add_argument("--weights", default="small", help="student checkpoint, small or large")
    parser.add_argument("--prompts", nargs="+", metavar="TEXT", help="texts to read")
    parser.add_argument(
        "--template", default="ensemble", help="sentence around every text, with {} in its place"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("words.npz"), help="table to write of the texts"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.checkpoint import load_checkpoint
    from clip2scene_core.prompts.text_encoder import TextEncoder, fill_text_table, save_text_table
    from clip2scene_core.teacher.clip import load_clip

    checkpoint = load_checkpoint(arguments.weights)
    name = arguments.teacher or checkpoint.config.teacher.clip
    if arguments.prompts is None:
        words = load_clip(name).known_words
        print(" ".join(words) if words else f"{name} takes any word")
        return
    encoder = TextEncoder(name, taught_with=checkpoint.vocabulary)
    table = fill_text_table(encoder, checkpoint.vocabulary, arguments.prompts, arguments.template)
    save_text_table(table, arguments.out)
    print(f"{arguments.out}: {len(table.texts)} texts; name it in the parameter text_embeddings")
