"""A segmenter that labels a point by its quadrant: values that a test can compute by hand."""

from __future__ import annotations

import numpy as np
import torch

from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.online import MissingCamerasError
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.labelled_map import save_map
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.prompts.prompt_set import PromptSet, encode_prompt_set

_WIDTH = 16


def quadrants(points: np.ndarray) -> np.ndarray:
    """0 to 3 by the signs of x and y; 255 where a point is not finite."""
    labels = (points[:, 0] < 0) * 1 + (points[:, 1] < 0) * 2
    return np.where(np.isfinite(points).all(axis=1), labels, 255).astype(np.uint8)


class FakeSegmenter:
    """Has the methods of OnlineSegmenter."""

    def __init__(self, needs_cameras: bool = False) -> None:
        self.needs_cameras = needs_cameras
        self.reads_colors = False
        self.num_resets = 0
        self.ground = None
        self.notes = ()
        self.input = None
        self.sweeps = []
        self.cameras = []
        self.grid = SemanticMap(EvidenceGrid(0.5, _WIDTH), is_carved=False)
        self.options = OnlineOptions()
        self.set_prompts(["car", "tree", "road", "building"])

    @property
    def vocabulary(self):
        return self.encoded_prompts.vocabulary

    def embed(self, prompts, template="ensemble"):
        return torch.eye(len(prompts), _WIDTH)

    def encode(self, prompt_set):
        return encode_prompt_set(prompt_set, self.embed)

    def apply(self, encoded, options=None):
        self.encoded_prompts, self.options = encoded, options or self.options

    def set_prompts(self, prompts, names=None):
        self.apply(self.encode(PromptSet(tuple(prompts), tuple(names or ()))))
        return self.vocabulary

    def prepare(self, sweep, cameras=()):
        if self.needs_cameras and not cameras:
            raise MissingCamerasError("no camera was given")
        return sweep, cameras

    def answer(self, prepared):
        return self.segment(*prepared)

    def complete(self, answered):
        return answered

    def segment(self, sweep, cameras=()):
        if self.needs_cameras and not cameras:
            raise MissingCamerasError("no camera was given")
        self.sweeps.append(sweep)
        self.cameras.append(cameras)
        # A query is as similar to a point as its quadrant's quarter: 0, 0.25, 0.5, 0.75.
        query = self.encoded_prompts.query
        labels = quadrants(sweep.points)
        scores = np.where(labels == 255, 0, 0.75).astype(np.float32)
        finite = labels != 255
        shown = torch.eye(_WIDTH)[torch.from_numpy(labels[finite]).long()]
        evidence = Evidence(shown, torch.ones(len(shown)))
        if sweep.is_located:
            self.grid.add(sweep.points[finite, :3], evidence, sweep.T_global_lidar, sweep.stamp_ns)
        return LabelledCloud(
            sweep.points,
            labels,
            scores,
            sweep.stamp_ns,
            sweep.T_global_lidar,
            self.vocabulary,
            query.text if query else None,
            np.where(finite, labels / 4, 0).astype(np.float32) if query else None,
            np.where(finite, 0.5, np.log(4)).astype(np.float32),
            self.ground,
            self.notes,
        )

    def map(self):
        return self.grid.label(self.vocabulary)

    def save_map(self, path):
        labelled_map = self.map()
        save_map(labelled_map, path)
        return labelled_map

    def reset(self):
        self.num_resets += 1
        self.grid.clear()
