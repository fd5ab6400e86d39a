"""`clip2scene bench table1`, `table2`, `tables`, `ablations`: compute tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    add_docs_argument,
    bench_options,
    num_seeds,
    progress_bar,
    write_table,
)

if TYPE_CHECKING:
    from clip2scene_core.bench.tables.run import TablesOptions
    from clip2scene_core.bench.tables.scenes import TableScenes
    from clip2scene_core.config.finetune import FinetuneConfig

SUMMARIES = {
    "table1": "the paper's Table 1: what each part of the method is worth without labels",
    "table2": "the paper's Table 2: what pre-training is worth with a few labels and with all",
    "tables": "both tables; they share what is trained",
    "ablations": "ablations of the recommended profile, without labels",
}
_CONFIG = "tables_synthetic.yaml"
_ABLATIONS_CONFIG = "ablations_synthetic.yaml"
_FINETUNE = ("tables_finetune_few.yaml", "tables_finetune_all.yaml")


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments of one of SUMMARIES."""
    add_bench_arguments(parser, quick_seeds=1, quick="a minute or two")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="data set in nuScenes' format with lidarseg; without it scenes are rendered",
    )
    parser.add_argument("--version", help="version folder of --data, if there are several")
    parser.add_argument(
        "--train-scenes", type=Path, metavar="FILE", help="names of the scenes to train on"
    )
    if name != "ablations":
        parser.add_argument(
            "--val-scenes",
            type=Path,
            metavar="FILE",
            help="names of the scenes that the numbers are of, such as nuScenes' validation scenes",
        )
        parser.add_argument(
            "--long",
            action="store_true",
            help="a night: twelve times the epochs, and S3 after half of them",
        )
    if name != "table1":
        what = "the numbers are of, as settings may be chosen by them"
        parser.add_argument(
            "--tune-scenes",
            type=Path,
            metavar="FILE",
            help="names of the scenes that "
            + (what if name == "ablations" else "fine-tuning's rates and epochs are chosen on"),
        )
    if name in ("table2", "tables"):
        parser.add_argument(
            "--finetune",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="a configuration of 'clip2scene finetune' for each share of the labels; by "
            f"default {' and '.join(_FINETUNE)}",
        )
    parser.add_argument(
        "--config",
        type=Path,
        help=f"configuration of 'clip2scene pretrain' that the rows change; by default "
        f"{_config_of(name)}",
    )
    add_docs_argument(parser, "method.md")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.tables.assembly import assemble_tables
    from clip2scene_core.bench.tables.docs import PAGE
    from clip2scene_core.bench.tables.run import run_tables
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_docs:
        raise ValueError("--quick measures nothing that a page could hold")
    if arguments.quick and _is_long(arguments):
        raise ValueError("--quick has one epoch, --long has many; take one of them")
    options = _options(arguments)
    use_threads(1)
    if options.measured_on == "test":
        print("The numbers are of scenes that nothing may be tuned on.")
    with progress_bar() as reports:
        outcome = run_tables(options, *reports)
    for table in assemble_tables(options, outcome):
        write_table(PAGE, table, arguments)


def _config_of(benchmark: str) -> str:
    return _ABLATIONS_CONFIG if benchmark == "ablations" else _CONFIG


def _options(arguments: argparse.Namespace) -> TablesOptions:
    from clip2scene_core.bench.tables.run import TABLES, TablesOptions, lengthened
    from clip2scene_core.bench.training_stages import quick_config
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_ros.share import share_directory

    configs = share_directory() / "config"
    base = load_config(arguments.config or configs / _config_of(arguments.benchmark))
    if _is_long(arguments):
        base = lengthened(base)
    tables = TABLES if arguments.benchmark == "tables" else (arguments.benchmark,)
    columns = _columns(arguments, configs) if "table2" in tables else []
    return TablesOptions(
        **bench_options(arguments, _words(arguments)),
        tables=tables,
        scenes=_scenes(arguments),
        base=quick_config(base) if arguments.quick else base,
        columns=tuple(columns),
        configs=configs,
        num_seeds=num_seeds(arguments),
    )


def _is_long(arguments: argparse.Namespace) -> bool:
    return bool(getattr(arguments, "long", False))


def _columns(arguments: argparse.Namespace, configs: Path) -> list[FinetuneConfig]:
    from clip2scene_core.bench.tables.finetuning import quick_column
    from clip2scene_core.config.finetune import FinetuneConfig
    from clip2scene_core.config.parser import read_config

    files = arguments.finetune or [configs / name for name in _FINETUNE]
    columns = [read_config(file, FinetuneConfig()) for file in files]
    return [quick_column(column) for column in columns] if arguments.quick else columns


def _scenes(arguments: argparse.Namespace) -> TableScenes | None:
    from clip2scene_core.bench.splits import Scenes
    from clip2scene_core.bench.tables.scenes import TableScenes

    files = {name: getattr(arguments, f"{name}_scenes", None) for name in ("train", "tune", "val")}
    if arguments.data is None:
        if any((*files.values(), arguments.version)):
            raise ValueError("files of scenes and --version are about --data; name a data set")
        return None
    measured = "tune" if arguments.benchmark == "ablations" else "val"
    if not (files["train"] and files[measured]):
        raise ValueError(f"--data needs --train-scenes and --{measured}-scenes")
    train, tune, val = (
        Scenes(arguments.data, tuple(file.read_text().split()), arguments.version) if file else None
        for file in files.values()
    )
    assert train is not None
    return TableScenes(train, tune, val)


def _words(arguments: argparse.Namespace) -> list[str]:
    """Give the arguments that decide the numbers."""
    words: list[str] = []
    for name in ("data", "version", "train_scenes", "val_scenes", "tune_scenes", "config"):
        value = getattr(arguments, name, None)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", getattr(value, "name", value)]
    if getattr(arguments, "finetune", None):
        words += ["--finetune", *(file.name for file in arguments.finetune)]
    if arguments.seeds is not None:
        words += ["--seeds", str(arguments.seeds)]
    if _is_long(arguments):
        words.append("--long")
    return words
