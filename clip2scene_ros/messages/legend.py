"""The classes of a vocabulary as JSON: what the node and labelled bags have on ~/legend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clip2scene_core.prompts.vocabulary import Vocabulary


def legend_json(vocabulary: Vocabulary, version: int) -> str:
    """Write the legend: {"version", "classes": [{"id", "name", "prompt", "rgb"}]}.

    Args:
        vocabulary: C classes; class i has id i in labelled clouds.
        version: 1 for the first vocabulary, one more with each new one.

    Returns:
        JSON; rgb has three integers from 0 to 255.
    """
    classes = [
        {"id": index, "name": name, "prompt": prompt, "rgb": [int(value) for value in color]}
        for index, (name, prompt, color) in enumerate(
            zip(vocabulary.names, vocabulary.prompts, vocabulary.colors, strict=True)
        )
    ]
    return json.dumps({"version": version, "classes": classes})
