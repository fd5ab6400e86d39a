"""A 3D network with one linear layer on top: points in, class logits out."""

from __future__ import annotations

from torch import Tensor, nn

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.network.student import build_network, run_network


class Classifier(nn.Module):
    """What fine-tuning trains: a student's trunk with a new head in place of both of its own.

    Args:
        config: Of the trunk.
        num_classes: C.

    Attributes:
        network: The trunk; the same as a student's, weight by weight.
        head: Linear layer from its features to the classes.
    """

    def __init__(self, config: NetworkConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config)
        self.head = nn.Linear(self.network.out_features, num_classes)

    def forward(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Classify every point: logits (N, C); the arguments are those of `Student.forward`."""
        logits: Tensor = self.head(run_network(self.network, self.config, points, batch_index))
        return logits
