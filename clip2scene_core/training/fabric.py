"""Lightning Fabric: runs a training on devices and processes. It is an optional dependency."""

from __future__ import annotations

import atexit
from typing import Final, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.zeroshot import ZeroShotConfig
from clip2scene_core.device import find_device

try:
    from lightning_fabric import Fabric
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'training runs on Lightning Fabric: pip install -c constraints.txt ".[train]"',
        name="lightning_fabric",
    ) from error

__all__ = ["Fabric", "make_fabric", "reduce_over_processes"]

_PRECISIONS: Final[dict[str, Literal["32-true", "bf16-mixed"]]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def make_fabric(
    config: PretrainConfig | FinetuneConfig | ZeroShotConfig,
    device: str = "cpu",
    num_processes: int = 1,
    num_nodes: int = 1,
) -> Fabric:
    """Choose devices and processes. Call `launch` before use if there are several processes.

    `launch` joins the processes that torchrun or SLURM has started, or else starts them itself.
    Several processes part when Python ends.

    Args:
        config: Configuration with the precision.
        device: "cpu", "cuda", or "cuda:N" for one process.
        num_processes: Number of processes on each machine. Each process has a GPU of its own.
        num_nodes: Number of machines.

    Raises:
        ValueError: If torch does not know the device, or the machine has none or too few.
    """
    find_device(device)
    kind, _, number = device.partition(":")
    if kind == "cuda" and not number and num_processes > torch.cuda.device_count():
        raise ValueError(
            f"{num_processes} processes need a GPU each, this machine has "
            f"{torch.cuda.device_count()}; choose fewer processes"
        )
    several = num_processes * num_nodes > 1
    if several:
        atexit.register(_leave_processes)
    return Fabric(
        accelerator=kind,
        devices=[int(number)] if number else num_processes,
        num_nodes=num_nodes,
        strategy="ddp" if several else "auto",
        precision=_PRECISIONS[config.training.precision],
    )


def reduce_over_processes(
    fabric: Fabric, value: Tensor, operation: Literal["mean", "sum"]
) -> Tensor:
    """Compute the mean or the sum of a tensor over the processes, without a gradient."""
    reduced = fabric.all_reduce(value.detach().clone(), reduce_op=operation)
    assert isinstance(reduced, Tensor)
    return reduced


def _leave_processes() -> None:
    # Fabric does so for NCCL only. A thread of gloo that outlives Python and then frees a tensor
    # aborts a process whose training is done.
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
