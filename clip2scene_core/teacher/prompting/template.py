"""The setting of a prompt's template, which can be checked without a CLIP."""

from __future__ import annotations

from typing import Final

from clip2scene_core.teacher.prompting.tokenizer import PromptError

ENSEMBLE: Final = "ensemble"
"""Value of a template setting that means all of PROMPT_TEMPLATES."""


def check_template(template: str) -> None:
    """Check the form of a template from the user.

    Raises:
        PromptError: If it is neither "ensemble" nor a sentence with one {}.
    """
    braces = template.replace("{}", "", 1)
    if template != ENSEMBLE and (braces == template or "{" in braces or "}" in braces):
        raise PromptError(
            f"prompt template {template!r} must hold one {{}}, where the prompt goes, or be "
            f"{ENSEMBLE!r}"
        )
