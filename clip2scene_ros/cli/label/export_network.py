"""`clip2scene export STUDENT`: a network that programs without Python run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

_OF_LABELS: Final = {
    "format": None,
    "sort_by": "time",
    "mode": "lidar",
    "weights": None,
    "version": None,
    "scenes": None,
    "split": None,
    "intensity_scale": None,
    "columns": None,
    "label_field": None,
}
"""Options that belong to labels, and their defaults."""


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only the export of a network takes."""
    group = parser.add_argument_group(
        "network", "a student's .safetensors file, small or large in place of labels"
    )
    group.add_argument(
        "--aot",
        action="store_true",
        help="also compile the .pt2 for processors like this one: C++ loads it without Python",
    )


def names_network(source: Path) -> bool:
    """Whether a source of `clip2scene export` is a network and no labels."""
    from clip2scene_core.checkpoint import SHIPPED

    is_shipped = str(source) in SHIPPED and not source.exists()
    return is_shipped or source.suffix == ".safetensors"


def export_network(arguments: argparse.Namespace) -> None:
    """Run the command for a network.

    Raises:
        ValueError: If an option is one of labels, or the network cannot be exported.
    """
    from clip2scene_core.export.archive import export_student
    from clip2scene_core.export.onnx import export_onnx
    from clip2scene_core.inference.segmenter import load_segmenter

    _refuse_options_of_labels(arguments)
    out: Path = arguments.out
    if out.suffix not in (".pt2", ".onnx"):
        raise ValueError(
            f"a network is written as .pt2 or .onnx, got --out {out}; labels need a bag, a data "
            f"set or scans in place of {arguments.labelled}"
        )
    if out.exists():
        raise ValueError(f"{out} exists; choose another --out or remove it")
    segmenter = load_segmenter(
        str(arguments.labelled), arguments.prompts, teacher=arguments.teacher
    )
    checkpoint, vocabulary = segmenter.checkpoint, segmenter.vocabulary

    def progress(step: str) -> None:
        print(f"{step} ...", file=sys.stderr)

    if out.suffix == ".onnx":
        if arguments.aot:
            raise ValueError("--aot compiles a .pt2; leave it out, or name --out NAME.pt2")
        export_onnx(out, checkpoint, vocabulary, progress)
    else:
        export_student(out, checkpoint, vocabulary, arguments.aot, progress)
    print(f"{out}: {len(vocabulary.texts)} texts, {out.stat().st_size / 1e6:.1f} MB")


def _refuse_options_of_labels(arguments: argparse.Namespace) -> None:
    given = [
        f"--{name.replace('_', '-')}"
        for name, default in _OF_LABELS.items()
        if getattr(arguments, name) != default
    ]
    if given:
        raise ValueError(
            f"{arguments.labelled} is a network, and {', '.join(given)} is for labels; leave it "
            f"out, or name a bag, a data set or scans"
        )
