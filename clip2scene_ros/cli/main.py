"""The `clip2scene` command, with one sub-command for each job."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence

from clip2scene_core import __version__
from clip2scene_core.allocator import keep_freed_memory
from clip2scene_core.idle_threads import let_idle_threads_sleep
from clip2scene_ros.cli.errors import describe
from clip2scene_ros.cli.label import bag, demo, export, load, parameters, segment, view, words
from clip2scene_ros.cli.measure import bench, calibrate, corrupt, doctor, evaluate, models
from clip2scene_ros.cli.train import (
    audit,
    average,
    clip,
    convert,
    finetune,
    import_checkpoint,
    pretrain,
    world,
    zeroshot,
)

_COMMANDS = {
    "demo": demo,
    "segment": segment,
    "export": export,
    "view": view,
    "words": words,
    "bag": bag,
    "world": world,
    "corrupt": corrupt,
    "clip": clip,
    "convert": convert,
    "doctor": doctor,
    "pretrain": pretrain,
    "average": average,
    "import-checkpoint": import_checkpoint,
    "finetune": finetune,
    "zeroshot": zeroshot,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "audit": audit,
    "models": models,
    "parameters": parameters,
    "bench": bench,
    "load": load,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: What follows `clip2scene` on the command line; by default those of this process.

    Returns:
        Exit status: 0 for success, 1 for input that cannot be used (one line says why) and for bugs
        (one line calls it one; --debug shows the traceback of either), 130 after an interrupt.
        argparse exits with 2 if it does not know an argument.
    """
    chosen = make_parser().parse_args(arguments)
    keep_freed_memory()
    let_idle_threads_sleep()
    logging.basicConfig(
        level=logging.DEBUG if chosen.debug else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        chosen.run(chosen)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if chosen.debug:
            raise
        print(f"clip2scene {chosen.command}: {describe(error)}", file=sys.stderr)
        return 1
    return 0


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default where there is one and the text does not name it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_it = re.search(r"\bdefault\b", action.help or "") is not None
        is_none = action.default is None or action.default is False
        is_empty = isinstance(action.default, (str, list, tuple)) and not action.default
        if says_it or is_none or is_empty:
            return action.help
        return super()._get_help_string(action)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="clip2scene", description="Label LiDAR sweeps by words, without a single 3D label."
    )
    parser.add_argument("--version", action="version", version=f"clip2scene {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=command.SUMMARY,
            description=command.SUMMARY,
            formatter_class=_Help,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
