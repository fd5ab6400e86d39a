"""Both graphs of a student, traced for sweeps of any size and any number of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.fx.experimental._config as tracing
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.export.layout import TensorSpec, list_tensors
from clip2scene_core.export.map_builder import MAX_POINTS, MapBuilder
from clip2scene_core.export.point_scorer import PointScorer
from clip2scene_core.network.point_features import count_point_features

MAPS: Final = "maps"
NETWORK: Final = "network"
"""Names of the two graphs in an archive."""

_OLDEST_TORCH: Final = (2, 13)
# Strides at which a network interpolates voxels at points.
_POINT_STRIDES: Final = {"spvcnn": (1, 4, 16)}
# A sweep to trace with: any would do.
_NUM_TRACED: Final = 300


class ExportError(ValueError):
    """A network that cannot be exported, or not here; the message says why."""


@dataclass(frozen=True)
class StudentPrograms:
    """The two graphs of a student.

    Attributes:
        maps: (N, 4) points and (4, 4) T_level_lidar to `tensors`; see `MapBuilder.forward`.
        network: `tensors` and (C, D) texts to (N, C) logits; see `PointScorer.forward`.
        tensors: What goes from one to the other.
    """

    maps: ExportedProgram
    network: ExportedProgram
    tensors: tuple[TensorSpec, ...]


def require_torch() -> None:
    """Refuse versions of torch that the graphs were not tried with.

    Raises:
        ExportError: If torch is older than 2.13.
    """
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _OLDEST_TORCH:
        raise ExportError(
            f"an export needs torch {'.'.join(map(str, _OLDEST_TORCH))} or newer, this is "
            f"{torch.__version__}; install it, or export where it is"
        )


def export_programs(checkpoint: Checkpoint) -> StudentPrograms:
    """Trace a student.

    Raises:
        ExportError: If it has voxels as only the released codes make them, or torch is too old.
    """
    require_torch()
    config = checkpoint.config.network
    _refuse_foreign_voxels(config)
    specs = list_tensors(count_point_features(config.features), _POINT_STRIDES.get(config.name, ()))
    builder = MapBuilder(config, checkpoint.config.input.intensity, specs)
    points = _some_points(7 if "color" in config.features else 4)
    maps = _trace(builder, (points, torch.eye(4)), ({0: Dim.DYNAMIC(max=MAX_POINTS)}, {}))
    scorer = PointScorer(checkpoint.student, checkpoint.config.losses.temperature, specs)
    texts = checkpoint.vocabulary.embeddings
    with torch.no_grad():
        inputs = (*builder(points, torch.eye(4)), torch.cat([texts, texts]))
    sizes = {size for spec in specs for size in spec.dims if isinstance(size, str)}
    dims = {size: Dim(size) for size in (*sizes, "texts")}
    shapes = [
        {axis: dims[size] for axis, size in enumerate(spec.dims) if isinstance(size, str)}
        for spec in specs
    ]
    network = _trace(scorer, inputs, ((*shapes, {0: dims["texts"]}),))
    return StudentPrograms(maps, network, specs)


def _trace(
    module: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[object, ...]
) -> ExportedProgram:
    # Without this setting graphs are for sizes of 2 and more, and a level may have one voxel.
    any_size = tracing.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with torch.no_grad(), any_size:
        program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine would go into the file
    return program


def _some_points(num_columns: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(_NUM_TRACED, num_columns, generator=generator)
    points[:, :3] *= torch.tensor([20.0, 20.0, 3.0])
    return points


def _refuse_foreign_voxels(config: NetworkConfig) -> None:
    voxels = config.voxels
    if voxels.value != "mean" or voxels.points != "all":
        raise ExportError(
            f"only networks with the mean of all points in a voxel can be exported, this one has "
            f"network.voxels.value={voxels.value} and network.voxels.points={voxels.points}; "
            f"label with it by 'clip2scene segment'"
        )
