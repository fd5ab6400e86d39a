"""`clip2scene bench table1`, `table2`, `tables`, `ablations`: tables, each from one command."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_core.bench.stages import StageResult
    from clip2scene_core.bench.tables.result import Table
    from clip2scene_core.bench.tables.run import TablesOptions
    from clip2scene_core.bench.tables.scenes import TableScenes
    from clip2scene_core.config.finetune import FinetuneConfig

SUMMARIES = {
    "table1": "the paper's Table 1: what each part of the method is worth without labels",
    "table2": "the paper's Table 2: what pre-training is worth with a few labels and with all",
    "tables": "both tables; they share what is trained",
    "ablations": "what each choice of the recommended profile is worth without labels",
}
_CONFIG = "tables_synthetic.yaml"
_ABLATIONS_CONFIG = "ablations_synthetic.yaml"
_FINETUNE = ("tables_finetune_few.yaml", "tables_finetune_all.yaml")


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments of one of SUMMARIES."""
    parser.add_argument(
        "--work", type=Path, required=True, help="folder; an interrupted bench goes on in it"
    )
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
    if name != "table1":
        what = "the numbers are of, as choices are made by them"
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
    parser.add_argument("--seeds", type=int, help="seeds of training; by default 3, with --quick 1")
    parser.add_argument(
        "--workers", type=int, help="processes, one thread each; by default 2, with --quick 1"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or cuda:N")
    parser.add_argument(
        "--quick", action="store_true", help="a minute or two: run everything, measure nothing"
    )
    parser.add_argument(
        "--update-docs",
        action="store_true",
        help="write the numbers into docs/method.md of this checkout",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.stages import BenchError
    from clip2scene_core.bench.tables.assembly import assemble_study, assemble_table2
    from clip2scene_core.bench.tables.rows import STUDIES
    from clip2scene_core.bench.tables.run import run_tables
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_docs:
        raise ValueError("--quick measures nothing that a page could hold")
    options = _options(arguments)
    use_threads(1)
    if options.measured_on == "test":
        print("The numbers are of scenes that nothing may be tuned on.")
    with tqdm(desc="bench", unit="stage") as bar:

        def report(result: StageResult, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(f"{result.name}: {result.seconds:.0f} s")
            bar.update()

        def report_world(split: str, done: int, total: int) -> None:
            bar.set_postfix_str(f"{split}: scene {done} of {total}")

        outcome = run_tables(options, report, report_world)
    try:
        for name in options.tables:
            if name in STUDIES:
                _write(assemble_study(options, outcome, name), arguments)
        if "table2" in options.tables:
            _write(assemble_table2(options, outcome), arguments)
    except KeyError as error:
        raise BenchError(
            f"a kept stage lacks {error}: other code computed it; remove the stage's file from "
            f"{options.work / 'results'} and run again"
        ) from error


def _write(table: Table, arguments: argparse.Namespace) -> None:
    """Write a table into the work folder and, if wanted, into the page; and print it."""
    from clip2scene_core.bench.tables.docs import update_page
    from clip2scene_core.bench.tables.report import draw, format_document, format_section
    from clip2scene_core.bench.tables.result import load_table, save_table
    from clip2scene_ros.share import share_directory

    path = arguments.work / f"{table.name}.json"
    save_table(path, table)
    table = load_table(path)  # rounded, so that all files say the same
    path.with_suffix(".md").write_text(format_document(table))
    draw(table).save(path.with_suffix(".png"))
    if arguments.update_docs:
        update_page(table, share_directory() / "docs")
    print(f"\n{format_section(table)}\n")
    print(f"{table.name}: {path}, .md and .png beside it")


def _config_of(benchmark: str) -> str:
    return _ABLATIONS_CONFIG if benchmark == "ablations" else _CONFIG


def _options(arguments: argparse.Namespace) -> TablesOptions:
    from clip2scene_core.bench.tables.plan import quick_base
    from clip2scene_core.bench.tables.run import TABLES, TablesOptions
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_ros.share import share_directory

    configs = share_directory() / "config"
    base = load_config(arguments.config or configs / _config_of(arguments.benchmark))
    tables = TABLES if arguments.benchmark == "tables" else (arguments.benchmark,)
    columns = _columns(arguments, configs) if "table2" in tables else []
    return TablesOptions(
        tables=tables,
        work=arguments.work,
        scenes=_scenes(arguments),
        base=quick_base(base) if arguments.quick else base,
        columns=tuple(columns),
        configs=configs,
        num_seeds=arguments.seeds if arguments.seeds is not None else 3 - 2 * arguments.quick,
        is_quick=arguments.quick,
        workers=arguments.workers if arguments.workers is not None else 2 - arguments.quick,
        device=arguments.device,
        command=_command(arguments),
    )


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


def _command(arguments: argparse.Namespace) -> str:
    """What reproduces the numbers, without the folders of this machine."""
    words = ["clip2scene", "bench", arguments.benchmark, "--work", "bench"]
    for name in ("data", "version", "train_scenes", "val_scenes", "tune_scenes", "config"):
        value = getattr(arguments, name, None)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", getattr(value, "name", value)]
    if getattr(arguments, "finetune", None):
        words += ["--finetune", *(file.name for file in arguments.finetune)]
    if arguments.seeds is not None:
        words += ["--seeds", str(arguments.seeds)]
    return shlex.join([*words, *(["--quick"] if arguments.quick else [])])
