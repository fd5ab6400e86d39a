"""`clip2scene words`: the words that prompts may use."""

from __future__ import annotations

import argparse

SUMMARY = "list the words that a small CLIP knows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--teacher", default="small", help="CLIP, as `segment` names it")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.teacher.clip import load_clip

    words = load_clip(arguments.teacher).known_words
    print(" ".join(words) if words else f"{arguments.teacher} takes any word")
