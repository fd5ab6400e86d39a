"""One .pt2 archive of both graphs, their description and texts; compiled graphs too, if wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.export import ExportedProgram

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.export.description import DESCRIPTION, TEXTS, describe, list_texts
from clip2scene_core.export.programs import (
    MAPS,
    NETWORK,
    ExportError,
    export_programs,
    require_torch,
)
from clip2scene_core.prompts.vocabulary import Vocabulary


def export_student(
    path: Path,
    checkpoint: Checkpoint,
    vocabulary: Vocabulary,
    compiled: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write a student as a .pt2 archive; the file appears only when it is complete.

    The archive holds two exported programs, MAPS and NETWORK, which `torch.export` loads, and two
    extra files: DESCRIPTION (JSON, see `describe`) and TEXTS (see `list_texts`). If compiled, it
    also holds both as AOTInductor's libraries, for processors like this one.

    Args:
        path: File; its name ends in .pt2.
        checkpoint: The student.
        vocabulary: The labels that go with it, by the CLIP that taught it. They are no part of the
            graphs.
        compiled: Whether to compile the graphs.
        progress: Told what is done next.

    Raises:
        ExportError: If the student cannot be exported, this torch is too old, or there is no
            C++ compiler to compile with.
    """
    if path.suffix != ".pt2":
        raise ExportError(f"the archive must end in .pt2, got {path}")
    require_torch()
    if compiled:
        _require_compiler()
    progress("tracing")
    programs = export_programs(checkpoint)
    graphs = {MAPS: programs.maps, NETWORK: programs.network}
    libraries = {}
    for name, graph in graphs.items():
        if compiled:
            progress(f"compiling {name}")
            libraries[name] = _compile(graph)
    extra_files = {
        DESCRIPTION: describe(checkpoint, vocabulary, programs.tensors),
        TEXTS: list_texts(vocabulary),
    }
    # Of torch's own archive, this is the only writer of several graphs in one file.
    from torch.export.pt2_archive._package import package_pt2

    progress("writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        package_pt2(
            str(draft),
            exported_programs=graphs,
            aoti_files=libraries or None,
            extra_files=extra_files,
        )


def _require_compiler() -> None:
    from torch._inductor import config

    candidates = config.cpp.cxx if isinstance(config.cpp.cxx, tuple) else (config.cpp.cxx,)
    if not any(name and shutil.which(name) for name in candidates):
        raise ExportError(
            "to compile, a C++ compiler is needed and g++ was not found; install it (Debian, "
            "Ubuntu: apt install g++), or leave --aot out"
        )


def _compile(graph: ExportedProgram) -> list[Any]:
    import torch._inductor

    inputs, keywords = graph.example_inputs
    options = {"aot_inductor.package": True}
    files = torch._inductor.aot_compile(graph.module(), inputs, keywords, options=options)
    assert isinstance(files, list), "of a package there are several files"
    return files
