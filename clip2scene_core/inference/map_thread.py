"""The map's own thread: it takes up a sweep while the next one is labelled."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from clip2scene_core.inference.embedder import MAX_POINTS_AT_ONCE
from clip2scene_core.inference.fusion import EmbeddedSweep, Fusion
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import Sweep


class MapThread:
    """Adds sweeps to a map, one after the other, so that labels need not wait for it.

    Args:
        semantic_map: Takes up the sweeps.
        fusion: Makes evidence of what it embedded.
    """

    def __init__(self, semantic_map: SemanticMap, fusion: Fusion) -> None:
        self._map = semantic_map
        self._fusion = fusion
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="map")
        self._taken_up: Future[None] | None = None

    def take_up(
        self,
        sweep: Sweep,
        embedded: EmbeddedSweep,
        vocabulary: Vocabulary,
        text_probabilities: Tensor,
    ) -> None:
        """Wait for the sweep before, and begin with this one.

        A sweep of more than MAX_POINTS_AT_ONCE points is waited for: two of them at a time take too
        much memory.

        Args:
            sweep: N usable points, with a pose.
            embedded: What the networks made of them.
            vocabulary: C texts.
            text_probabilities: (R, C) float32, see `EmbeddedSweep`.

        Raises:
            Exception: What the map raised at the sweep before.
        """
        self.wait()
        arguments = (sweep, embedded, vocabulary.embeddings, text_probabilities)
        self._taken_up = self._thread.submit(self._add, *arguments)
        if len(sweep.points) > MAX_POINTS_AT_ONCE:
            self.wait()

    def wait(self) -> None:
        """Wait until the map has taken up the last sweep.

        Raises:
            Exception: What the map raised, once.
        """
        error = None if self._taken_up is None else self._taken_up.exception()
        if error is not None:
            self._taken_up = None
            raise error

    def _add(
        self, sweep: Sweep, embedded: EmbeddedSweep, texts: Tensor, text_probabilities: Tensor
    ) -> None:
        text_of_row = text_probabilities.argmax(dim=1).cpu()
        evidence = self._fusion.gather(embedded, texts, text_of_row)
        self._map.add(sweep.points[:, :3], evidence, sweep.T_global_lidar, sweep.stamp_ns)
