"""The arguments that every labelling command shares, and the engine that they describe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clip2scene_ros.commands.threads import add_threads_argument

if TYPE_CHECKING:
    from clip2scene_core.online import OnlineSegmenter


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare everything that decides how points are labelled."""
    parser.add_argument(
        "--mode",
        choices=("lidar", "camera", "fused"),
        default="lidar",
        help="lidar: the student alone; camera: CLIP projected on the points; fused: both",
    )
    parser.add_argument(
        "--prompts", nargs="+", metavar="WORDS", help='for example: car road "traffic cone"'
    )
    parser.add_argument("--weights", default="small", help="student checkpoint, or small")
    parser.add_argument("--teacher", help="CLIP; by default the one that taught the student")
    parser.add_argument(
        "--no-key-smoothing",
        action="store_true",
        help="label by cameras in half the time, less well",
    )
    parser.add_argument(
        "--camera-scales",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="S",
        help="multiples of CLIP's image height at which cameras are read (default: 1)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    add_threads_argument(parser)


def load_engine(arguments: argparse.Namespace) -> OnlineSegmenter:
    """Build the engine.

    Raises:
        ValueError: If weights, teacher or prompts cannot be used.
    """
    # Torch and CLIP take seconds to import: `clip2scene --help` must not wait for them.
    from clip2scene_core.device import use_threads
    from clip2scene_core.online import load_online_segmenter
    from clip2scene_core.online_options import OnlineOptions

    use_threads(arguments.threads)
    options = OnlineOptions(
        mode=arguments.mode,
        camera_scales=tuple(arguments.camera_scales),
        key_smoothing=not arguments.no_key_smoothing,
        device=arguments.device,
        precision=arguments.precision,
    )
    return load_online_segmenter(arguments.weights, arguments.teacher, options, arguments.prompts)
