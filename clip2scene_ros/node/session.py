"""What a configured node labels with, and what it is asked to do besides labelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rclpy.node import Node

from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.mapping.labelled_map import check_map_path
from clip2scene_core.prompts.prompt_set import Wording, Words
from clip2scene_ros.messages.legend import legend_json
from clip2scene_ros.node.inputs import check_pose_source
from clip2scene_ros.node.outputs.outputs import NodeOutputs
from clip2scene_ros.node.parameters.options import (
    asked_wording,
    assembly_options,
    base_wording,
    online_options,
    resolved_topics,
)
from clip2scene_ros.node.parameters.row import ParameterError
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.sync.synchronizer import SweepAssembler

EngineLoader = Callable[[NodeParameters], OnlineSegmenter]


@dataclass(frozen=True)
class Labelling:
    """Everything that a node holds from configure to cleanup.

    Attributes:
        assembler: Makes sweeps of messages.
        engine: Labels them.
        outputs: What is published.
        base: The words where the parameters name none.
    """

    assembler: SweepAssembler
    engine: OnlineSegmenter
    outputs: NodeOutputs
    base: Wording

    def prepare(self, old: NodeParameters, new: NodeParameters) -> Words:
        """Let CLIP read the words of new parameters, and change nothing yet.

        Raises:
            ValueError: If they cannot be used.
        """
        _check_save_path(new)
        asked, before = asked_wording(new, self.base), asked_wording(old, self.base)
        if asked == before:
            return self.engine.words
        words = self.engine.read(asked)
        if replace(asked, query=before.query) == before:
            # The same labels: nobody needs a new legend because of a query.
            return replace(words, vocabulary=self.engine.vocabulary)
        return words

    def take(self, values: NodeParameters, words: Words) -> None:
        """Follow new parameters from the next sweep on."""
        self.engine.use(words, online_options(values))
        self.assembler.change_waits(assembly_options(values))

    def reset(self) -> str:
        """Forget the map and every message that waits; say so."""
        self.assembler.clear()
        self.engine.reset()
        return "the map and all waiting messages are forgotten"

    def save_map(self, values: NodeParameters) -> str:
        """Write the map where the parameters say; name the file and its number of voxels.

        Raises:
            ValueError: If they name no file, or there is no map.
            OSError: If the file cannot be written.
        """
        if not values.map_save_path:
            raise ParameterError(
                "parameter 'map.save_path' names no file; set it to one that ends in .npz or .ply"
            )
        path = Path(values.map_save_path)
        labelled_map = self.engine.save_map(path)
        return f"{path}: {len(labelled_map.points)} voxels"

    def legend(self) -> str:
        """Write the legend of the next sweep as JSON, as `~/legend` has it."""
        return legend_json(self.engine.vocabulary, self.outputs.legend.version)


def make_labelling(node: Node, values: NodeParameters, load_engine: EngineLoader) -> Labelling:
    """Load the weights, read the words and offer the outputs.

    Args:
        node: Owns the publishers.
        values: Its parameters.
        load_engine: Makes the engine from them.

    Raises:
        ValueError: If weights, CLIP, words or the extrinsics file cannot be used.
        OSError: If a file is missing.
    """
    check_pose_source(values)
    _check_save_path(values)
    profile = resolved_topics(values, node.resolve_topic_name)
    assembler = SweepAssembler(assembly_options(values), profile)
    engine = load_engine(values)
    base = base_wording(values, engine.vocabulary)
    engine.use(engine.read(asked_wording(values, base)), online_options(values))
    return Labelling(assembler, engine, NodeOutputs(node, values), base)


def _check_save_path(values: NodeParameters) -> None:
    if values.map_save_path:
        check_map_path(Path(values.map_save_path))
