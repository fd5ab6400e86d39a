"""What the released codes call the layers of the networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torch import nn

from clip2scene_core.network.blocks import PointNetwork
from clip2scene_core.network.minkunet import MinkUNet
from clip2scene_core.network.spvcnn import SPVCNN

_SPVCNN_BLOCK: Final = {
    "first.conv": "net.0",
    "first.norm": "net.1",
    "conv": "net.3",
    "norm": "net.4",
    "shortcut.0": "downsample.0",
    "shortcut.1": "downsample.1",
}
_MINKUNET_BLOCK: Final = {
    "first.conv": "conv1",
    "first.norm": "norm1.bn",
    "conv": "conv2",
    "norm": "norm2.bn",
    "shortcut.0": "downsample.0",
    "shortcut.1": "downsample.1.bn",
}


def official_names(network: PointNetwork) -> dict[str, str]:
    """Name the layers of a network as the released code does.

    Args:
        network: SPVCNN, as in CLIP2Scene and SPVNAS; or MinkUNet, as in SLidR and PPKT.

    Returns:
        Our path of each layer, such as "down.0.blocks.1.conv", and theirs, such as
        "stage1.2.net.3". Layers that this network does not have may be among them.
    """
    if isinstance(network, SPVCNN):
        return dict(_spvcnn(network))
    assert isinstance(network, MinkUNet)
    return dict(_minkunet(network))


def _spvcnn(network: SPVCNN) -> Iterator[tuple[str, str]]:
    for index in range(len(network.stem)):
        yield f"stem.{index}.conv", f"stem.{3 * index}"
        yield f"stem.{index}.norm", f"stem.{3 * index + 1}"
    for index in range(len(network.point_layers)):
        yield f"point_layers.{index}.0", f"point_transforms.{index}.0"
        yield f"point_layers.{index}.1", f"point_transforms.{index}.1"
    for index, stage in enumerate(network.down.children()):
        yield f"down.{index}.conv", f"stage{index + 1}.0.net.0"
        yield f"down.{index}.norm", f"stage{index + 1}.0.net.1"
        for block in _blocks(stage):
            own, theirs = f"down.{index}.blocks.{block}", f"stage{index + 1}.{block + 1}"
            yield from _block(own, theirs, _SPVCNN_BLOCK)
    for index, stage in enumerate(network.up.children()):
        yield f"up.{index}.conv", f"up{index + 1}.0.net.0"
        yield f"up.{index}.norm", f"up{index + 1}.0.net.1"
        for block in _blocks(stage):
            own, theirs = f"up.{index}.blocks.{block}", f"up{index + 1}.1.{block}"
            yield from _block(own, theirs, _SPVCNN_BLOCK)


def _minkunet(network: MinkUNet) -> Iterator[tuple[str, str]]:
    yield "stem.conv", "conv0p1s1"
    yield "stem.norm", "bn0.bn"
    for index, stage in enumerate(network.down.children()):
        yield f"down.{index}.conv", f"conv{index + 1}p{2**index}s2"
        yield f"down.{index}.norm", f"bn{index + 1}.bn"
        for block in _blocks(stage):
            own, theirs = f"down.{index}.blocks.{block}", f"block{index + 1}.{block}"
            yield from _block(own, theirs, _MINKUNET_BLOCK)
    for index, stage in enumerate(network.up.children()):
        yield f"up.{index}.conv", f"convtr{index + 4}p{2 ** (4 - index)}s2"
        yield f"up.{index}.norm", f"bntr{index + 4}.bn"
        for block in _blocks(stage):
            own, theirs = f"up.{index}.blocks.{block}", f"block{index + 5}.{block}"
            yield from _block(own, theirs, _MINKUNET_BLOCK)


def _blocks(stage: nn.Module) -> range:
    return range(len(list(stage.get_submodule("blocks").children())))


def _block(own: str, theirs: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for layer, name in names.items():
        yield f"{own}.{layer}", f"{theirs}.{name}"
