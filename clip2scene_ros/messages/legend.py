"""The legend of a vocabulary as JSON, as nodes and bags publish it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clip2scene_core.prompts.vocabulary import Vocabulary


def legend_json(vocabulary: Vocabulary, version: int) -> str:
    """Write the legend: {"version", "classes": [{"id", "name", "prompt", "rgb"}]}.

    Args:
        vocabulary: Class i has id i in the published clouds.
        version: Counts the prompt changes.
    """
    classes = [
        {"id": index, "name": name, "prompt": prompt, "rgb": [int(value) for value in color]}
        for index, (name, prompt, color) in enumerate(
            zip(vocabulary.names, vocabulary.prompts, vocabulary.colors, strict=True)
        )
    ]
    return json.dumps({"version": version, "classes": classes})
