"""A 3D network with one linear layer on top: from points to class logits."""

from __future__ import annotations

from torch import Tensor, nn

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.network.student import build_network, run_network


class Classifier(nn.Module):
    """The network of fine-tuning: the trunk of a student, with a new head instead of its two heads.

    Args:
        config: Configuration of the trunk.
        num_classes: C, number of classes.

    Attributes:
        config: Configuration of the trunk.
        network: The trunk; its weights have the same names and shapes as those of a student.
        head: Linear layer from the trunk's features to C logits.
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
