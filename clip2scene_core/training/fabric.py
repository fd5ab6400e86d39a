"""What moves training over devices and processes, an optional dependency."""

from __future__ import annotations

from typing import Final, Literal

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.pretrain import PretrainConfig

try:
    from lightning_fabric import Fabric
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'training runs on Lightning Fabric: pip install -c constraints.txt ".[train]"',
        name="lightning_fabric",
    ) from error

__all__ = ["Fabric", "make_fabric"]

_PRECISIONS: Final[dict[str, Literal["32-true", "bf16-mixed"]]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def make_fabric(
    config: PretrainConfig | FinetuneConfig,
    device: str = "cpu",
    num_processes: int = 1,
    num_nodes: int = 1,
) -> Fabric:
    """Say where to train; `launch` it before use if there is more than one process.

    Under torchrun and SLURM their processes are joined, otherwise `launch` starts the others.

    Args:
        config: Gives the precision.
        device: "cpu", "cuda", or "cuda:N" for one process.
        num_processes: On each machine; on GPUs each has one of its own.
        num_nodes: Machines.
    """
    kind, _, number = device.partition(":")
    return Fabric(
        accelerator=kind,
        devices=[int(number)] if number else num_processes,
        num_nodes=num_nodes,
        strategy="ddp" if num_processes * num_nodes > 1 else "auto",
        precision=_PRECISIONS[config.training.precision],
    )
