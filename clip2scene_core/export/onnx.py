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
    sum_bags = _make_sum_of_bags()
    progress("tracing")
    programs = export_programs(checkpoint)
    progress("converting")
    converted = torch.onnx.export(
        programs.network,
        dynamo=True,
        input_names=[*(spec.name for spec in programs.tensors), "texts"],
        output_names=["logits"],
        opset_version=_OPSET,
        custom_translation_table={torch.ops.aten.embedding_bag.padding_idx: sum_bags},
        verbose=False,
    )
    assert converted is not None
    converted.model.metadata_props[DESCRIPTION] = describe(checkpoint, vocabulary, programs.tensors)
    converted.model.metadata_props[TEXTS] = list_texts(vocabulary)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        converted.save(draft, external_data=False)


def _make_sum_of_bags() -> Callable[..., Any]:
    """Make the translation of `embedding_bag` with sums; torch's own runs a loop over the bags."""
    try:
        import onnx  # noqa: F401
        from onnxscript import opset18 as op
    except ImportError as error:
        raise ExportError(
            "ONNX needs packages that are not there: pip install '.[onnx]'; a .pt2 needs none"
        ) from error

    def sum_bags(
        weight: Any,
        indices: Any,
        offsets: Any,
        scale_grad_by_freq: bool = False,
        mode: int = 0,
        sparse: bool = False,
        per_sample_weights: Any = None,
        include_last_offset: bool = False,
        padding_idx: int = -1,
    ) -> Any:
        zero, one = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
        rows = op.Gather(weight, indices, axis=0)
        if per_sample_weights is not None:
            rows = op.Mul(rows, op.Unsqueeze(per_sample_weights, one))
        # A one where each bag begins: their running sum numbers the bags of the indices from 1.
        count = op.Shape(indices)
        begins = op.ScatterElements(
            op.Expand(zero, op.Add(count, one)),
            offsets,
            op.Expand(one, op.Shape(offsets)),
            axis=0,
            reduction="add",
        )
        numbers = op.Sub(op.CumSum(begins, op.Constant(value_int=0)), one)
        bags = op.Unsqueeze(op.Slice(numbers, zero, count), one)
        shape = op.Concat(op.Shape(offsets), op.Shape(weight, start=1), axis=0)
        sums = op.ScatterND(
            op.Expand(op.CastLike(zero, weight), shape), bags, rows, reduction="add"
        )
        # The operator has three more results, which nobody reads.
        return sums, op.Identity(bags), op.Identity(bags), op.Identity(bags)

    return sum_bags
