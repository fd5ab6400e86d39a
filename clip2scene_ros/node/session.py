"""What a configured node holds, and the requests that it answers: parameters and services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rclpy.node import Node

from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.prompts.prompt_set import EncodedPrompts, PromptSet
from clip2scene_ros.messages.legend import legend_json
from clip2scene_ros.node.inputs import check_pose_source
from clip2scene_ros.node.map_folder import MapFolder, check_map_name
from clip2scene_ros.node.outputs.outputs import NodeOutputs
from clip2scene_ros.node.parameters.options import (
    asked_prompt_set,
    base_prompt_set,
    online_options,
    resolved_topics,
    sync_options,
)
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.sync.synchronizer import SweepSynchronizer

SegmenterFactory = Callable[[NodeParameters], OnlineSegmenter]
"""Makes the segmenter from the node's parameters."""


@dataclass(frozen=True)
class Session:
    """What a node holds from configure to cleanup.

    Attributes:
        synchronizer: Makes sweeps from messages.
        segmenter: Labels sweeps and keeps the map.
        outputs: The node's publishers.
        base: Prompts that are used when the parameter `prompts` is empty.
        maps: The folder that maps are written to.
    """

    synchronizer: SweepSynchronizer
    segmenter: OnlineSegmenter
    outputs: NodeOutputs
    base: PromptSet
    maps: MapFolder

    def prepare(self, old: NodeParameters, new: NodeParameters) -> EncodedPrompts:
        """Encode the prompts of new parameters, without changing anything.

        Args:
            old: Present parameters.
            new: Parameters that are asked for.

        Returns:
            What `take` needs: the prompts that are in use, if they did not change.

        Raises:
            ValueError: If the prompts cannot be used.
        """
        asked, before = asked_prompt_set(new, self.base), asked_prompt_set(old, self.base)
        if asked == before:
            return self.segmenter.encoded_prompts
        encoded = self.segmenter.encode(asked)
        if replace(asked, query=before.query) == before:
            # The labels are the same: a new query needs no new legend.
            return replace(encoded, vocabulary=self.segmenter.vocabulary)
        return encoded

    def take(self, values: NodeParameters, encoded: EncodedPrompts) -> None:
        """Use new parameters from the next sweep on."""
        self.segmenter.apply(encoded, online_options(values))
        self.synchronizer.change_waits(sync_options(values))

    def reset(self) -> str:
        """Forget the map and all waiting messages; returns a sentence that says so."""
        self.synchronizer.clear()
        self.segmenter.reset()
        return "the map and all waiting messages are forgotten"

    def save_map(self, values: NodeParameters) -> str:
        """Write the map to the file that the parameters name.

        Returns:
            The file and its number of voxels, for people.

        Raises:
            ValueError: If the parameters name no file that may be written, or there is no map.
            OSError: If the file cannot be written.
        """
        path = self.maps.file(values.map_save_path)
        labelled_map = self.segmenter.save_map(path)
        return f"{path}: {len(labelled_map.points)} voxels"

    def legend(self) -> str:
        """Give the legend of the next sweep in the JSON of `~/legend`."""
        return legend_json(self.segmenter.vocabulary, self.outputs.legend.version)


def open_session(node: Node, values: NodeParameters, make_segmenter: SegmenterFactory) -> Session:
    """Load the weights, encode the prompts and create the publishers.

    Args:
        node: Owns the publishers.
        values: The node's parameters.
        make_segmenter: Makes the segmenter from the parameters.

    Raises:
        ValueError: If weights, CLIP, prompts, the folder of maps or the extrinsics file cannot be
            used.
        OSError: If a file is missing.
    """
    check_pose_source(values)
    check_save_path(values)
    maps = MapFolder(values.map_folder)
    profile = resolved_topics(values, node.resolve_topic_name)
    segmenter = make_segmenter(values)
    options = replace(sync_options(values), with_colors=segmenter.reads_colors)
    synchronizer = SweepSynchronizer(options, profile)
    base = base_prompt_set(values, segmenter.vocabulary)
    segmenter.apply(segmenter.encode(asked_prompt_set(values, base)), online_options(values))
    return Session(synchronizer, segmenter, NodeOutputs(node, values), base, maps)


def check_save_path(values: NodeParameters) -> None:
    """Check the name of the map's file, which any peer may set.

    Raises:
        ValueError: If it is no plain name, or has another suffix.
    """
    if values.map_save_path:
        check_map_name(values.map_save_path)
