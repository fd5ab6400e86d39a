"""Tensors of a released checkpoint into one of our networks: none missing, none left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from clip2scene_core.checkpoint import CheckpointError
from clip2scene_core.network.blocks import PointNetwork
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.official.names import official_names
from clip2scene_core.sparse.conv import DownsampleConv3d, SubmanifoldConv3d, UpsampleConv3d

_MAX_NAMED = 6


class Unclaimed:
    """The tensors of a checkpoint that no layer has taken yet.

    Args:
        path: File that they are from, for error messages.
        state: Tensors by their official names.
    """

    def __init__(self, path: Path, state: Mapping[str, Tensor]) -> None:
        self._path = path
        self._left = dict(state)
        self._missing: list[str] = []
        self._misshapen: list[str] = []

    def take(self, name: str) -> Tensor | None:
        """Take a tensor out; None if it is not there, which `close` will say."""
        if name not in self._left:
            self._missing.append(name)
        return self._left.pop(name, None)

    def fill(self, own: Tensor, name: str, theirs: Tensor | None) -> None:
        """Copy their tensor of this name, if there is one and it fits, over one of ours."""
        if theirs is None:
            return
        if own.shape != theirs.shape:
            self._misshapen.append(f"{name} ({tuple(theirs.shape)}, not {tuple(own.shape)})")
        else:
            own.copy_(theirs)

    def set_aside(self, layers: Sequence[str]) -> tuple[str, ...]:
        """Leave out layers that a student does not have; returns those that were there."""
        found = {
            layer: [name for name in self._left if name.startswith(f"{layer}.")] for layer in layers
        }
        for names in found.values():
            for name in names:
                del self._left[name]
        return tuple(layer for layer, names in found.items() if names)

    def close(self) -> None:
        """Check that every tensor was used and every parameter filled.

        Raises:
            CheckpointError: If not; it names what is missing, left over or of another shape.
        """
        faults = [
            f"{what} {', '.join(names[:_MAX_NAMED])}"
            + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
            for what, names in (
                ("it lacks", self._missing),
                ("it is left with", list(self._left)),
                ("of another shape are", self._misshapen),
            )
            if names
        ]
        if faults:
            raise CheckpointError(f"{self._path}: its weights do not fit: {'; '.join(faults)}")


def fill_network(network: PointNetwork, unclaimed: Unclaimed) -> None:
    """Copy the weights and statistics of a trunk.

    Args:
        network: Ours, of the size of theirs.
        unclaimed: Their tensors; those of the trunk are taken out.
    """
    names = official_names(network)
    for key, own in network.state_dict().items():
        path, _, tensor = key.rpartition(".")
        if _is_convolution(network.get_submodule(path)):
            name = f"{names[path]}.kernel"
            theirs = unclaimed.take(name)
            if theirs is not None:
                theirs = reorder_kernel(theirs, isinstance(network, SPVCNN))
        else:
            name = f"{names[path]}.{tensor}"
            theirs = unclaimed.take(name)
        unclaimed.fill(own, name, theirs)


def fill_linear(layer: nn.Linear, name: str, unclaimed: Unclaimed) -> None:
    """Copy the weight and the bias of a linear layer that they call by this name."""
    for tensor, own in layer.state_dict().items():
        unclaimed.fill(own, f"{name}.{tensor}", unclaimed.take(f"{name}.{tensor}"))


def reorder_kernel(kernel: Tensor, z_is_fastest: bool) -> Tensor:
    """Bring the offsets of a kernel into our order, in which z changes fastest and x slowest.

    Args:
        kernel: (27, in, out), (8, in, out) or, for a 1x1x1 convolution, (in, out) or (1, in, out).
            In torchsparse and MinkowskiEngine x changes fastest, but z in torchsparse's 2x2x2.
        z_is_fastest: Whether 2x2x2 kernels come from torchsparse.

    Returns:
        A kernel of the same shape, or the weight (out, in) of a linear layer.
    """
    if kernel.ndim == 2 or len(kernel) == 1:
        return kernel.reshape(kernel.shape[-2:]).T
    if len(kernel) == 8 and z_is_fastest:
        return kernel
    edge = {27: 3, 8: 2}.get(len(kernel))
    if edge is None:
        return kernel
    by_axis = kernel.view(edge, edge, edge, *kernel.shape[1:])
    return by_axis.permute(2, 1, 0, 3, 4).reshape(kernel.shape)


def _is_convolution(layer: nn.Module) -> bool:
    """Whether the released code has a sparse convolution here; ours may be a linear layer."""
    is_sparse = isinstance(layer, (SubmanifoldConv3d, DownsampleConv3d, UpsampleConv3d))
    # Only a shortcut has no bias; the layers of the point branch have one there, too.
    return is_sparse or (isinstance(layer, nn.Linear) and layer.bias is None)
