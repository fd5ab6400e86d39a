"""The second graph as ONNX. The first has searches that ONNX has no operator for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.export.description import DESCRIPTION, TEXTS, describe, list_texts
from clip2scene_core.export.programs import ExportError, export_programs
from clip2scene_core.prompts.vocabulary import Vocabulary

_OPSET: Final = 18


def export_onnx(
    path: Path,
    checkpoint: Checkpoint,
    vocabulary: Vocabulary,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write the network of a student as ONNX; the file appears only when it is complete.

    Its inputs are called as the tensors of `list_tensors` and "texts", its output "logits". Its
    metadata has what the extra files of an archive have; see `export_student`.

    Args:
        path: File; its name ends in .onnx.
        checkpoint: The student.
        vocabulary: The labels that go with it. They are no part of the graph.
        progress: Told what is done next.

    Raises:
        ExportError: If onnx or onnxscript are not installed, or the student cannot be exported.
    """
    translations = _translations()
    progress("tracing")
    programs = export_programs(checkpoint)
    progress("converting")
    converted = torch.onnx.export(
        programs.network,
        dynamo=True,
        input_names=[*(spec.name for spec in programs.tensors), "texts"],
        output_names=["logits"],
        opset_version=_OPSET,
        custom_translation_table=translations,
        verbose=False,
    )
    assert converted is not None
    converted.model.metadata_props[DESCRIPTION] = describe(checkpoint, vocabulary, programs.tensors)
    converted.model.metadata_props[TEXTS] = list_texts(vocabulary)
    for node in converted.model.graph.all_nodes():
        node.metadata_props.clear()  # paths of this machine, in a third of the file
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        converted.save(draft, external_data=False)


def _translations() -> dict[Any, Callable[..., Any]]:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(
            "ONNX needs packages that are not there: pip install '.[onnx]'; a .pt2 needs none"
        ) from error
    from clip2scene_core.export.onnx_sums import TRANSLATIONS

    return TRANSLATIONS
