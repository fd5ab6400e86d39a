"""What an exported student costs per sweep beside the student itself: time_export.py small.pt2.

Every way labels the same sweeps of a rendered drive, no two of which are equal, one way after the
other within each sweep. Milliseconds are processor time of one thread, medians over the sweeps.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export.pt2_archive._package import load_pt2

from clip2scene_core.allocator import keep_freed_memory
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.inference.embedder import PointEmbedder
from clip2scene_core.preprocessing.levelling import find_ground, level, level_transform
from clip2scene_core.preprocessing.network_input import tell_intensity
from clip2scene_core.preprocessing.reach import is_usable

_WARM_UP = 3


def main() -> None:
    """Time all ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--weights", default="small")
    parser.add_argument("--sweeps", type=int, default=20)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(arguments.weights)
    texts, config = checkpoint.vocabulary.embeddings, checkpoint.config
    embedder = PointEmbedder(checkpoint.student, torch.device("cpu"))
    archive = load_pt2(str(arguments.archive))
    exported = {name: graph.module() for name, graph in archive.exported_programs.items()}
    costs: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, call: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = call()
        costs[name].append(1e3 * (time.process_time() - begin))
        return result

    def run_graphs(name: str, graphs: dict[str, Any], *inputs: torch.Tensor) -> torch.Tensor:
        built = timed(f"{name}: maps", lambda: graphs["maps"](*inputs))
        logits = timed(f"{name}: network", lambda: graphs["network"](*built, texts))
        return logits if isinstance(logits, torch.Tensor) else logits[0]

    differing, num_points = defaultdict(int), 0
    for sweep in SweepSource().read(arguments.sweeps + _WARM_UP):
        points = sweep.points[is_usable(sweep.points)]
        ground = find_ground(points) if config.input.level else None
        height_m = config.input.sensor_height_m
        T_level_lidar = torch.from_numpy(level_transform(height_m, ground).astype(np.float32))

        def own(points: Any = points, ground: Any = ground, height_m: float = height_m) -> Any:
            told = tell_intensity(level(points, height_m, ground), config.input)
            return embedder.logits(told, texts, config.losses.temperature)

        expected = timed("the student itself", own).argmax(dim=1)
        num_points += len(points)
        with torch.inference_mode():
            ways = {"exported": exported, "compiled": archive.aoti_runners}
            for name, graphs in ways.items():
                if graphs:
                    logits = run_graphs(name, graphs, torch.from_numpy(points), T_level_lidar)
                    differing[name] += int((logits.argmax(dim=1) != expected).sum())
    for name, milliseconds in costs.items():
        sys.stdout.write(f"{name}: {statistics.median(milliseconds[_WARM_UP:]):.1f} ms\n")
    for name, count in differing.items():
        sys.stdout.write(f"{name}: {count} of {num_points} labels differ\n")


if __name__ == "__main__":
    main()
