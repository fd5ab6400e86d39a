"""Prompts: as typed, checked without a CLIP; then encoded, as labels and a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import torch
from torch import Tensor

from clip2scene_core.files.damage import name_damage, one_line, shortened
from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_core.prompts.vocabulary import MAX_PROMPTS, Vocabulary, make_vocabulary
from clip2scene_core.teacher.prompting.template import ENSEMBLE, check_template

MAX_TEXTS: Final = 1000
"""Prompts and texts of groups together: CLIP reads each of them, up to 85 times."""

MAX_TEXT_CHARS: Final = 1000
"""Characters of a prompt, a name, a template or a query; CLIP reads 77 tokens."""


class EmbedPrompts(Protocol):
    """The text side of the CLIP that taught the student."""

    def __call__(self, prompts: Sequence[str], template: str = ENSEMBLE) -> Tensor:
        """Embed P prompts: (P, D) float32 of unit length; ValueError for one CLIP can't take."""


@dataclass(frozen=True)
class PromptSet:
    """Prompts as typed; a label is a prompt or a group of prompts.

    Attributes:
        prompts: Texts to look for.
        names: One per prompt, shown to people; () takes the prompts themselves.
        groups: "name: a | b | c": several texts with one label. Where a text is also a prompt, the
            group takes that prompt's place; a group without such a text comes behind the prompts.
        template: Sentence around every text, with {} in its place, or "ensemble" for CLIP2Scene's
            85.
        palette: Red, green, blue of each label, 0 to 255; () takes the built-in colours.
        query: A text that points are compared with beside their labels; "" for none.
        grouping: How the texts of a group make one probability; see `Vocabulary.merge`.

    Raises:
        ValueError: If there are too many texts or labels, a text is too long, names or palette do
            not fit, a group cannot be read, a text is in two groups, or the template has no {}.

    Example:
        >>> prompts = PromptSet(("car", "tree"), groups=("vehicle: car | bus",))
        >>> [name for name, texts in prompts.labels()]
        ['vehicle', 'tree']
    """

    prompts: tuple[str, ...]
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    template: str = ENSEMBLE
    palette: tuple[int, ...] = ()
    query: str = ""
    grouping: str = "logsumexp"

    def __post_init__(self) -> None:
        self._check_size()
        if self.names and len(self.names) != len(self.prompts):
            raise ValueError(
                f"{len(self.names)} names but {len(self.prompts)} prompts; give one name each"
            )
        check_template(self.template)
        num_labels = len(self.labels())
        if num_labels > MAX_PROMPTS:  # an empty set is no fault before it is encoded
            raise ValueError(f"a vocabulary has 1 to {MAX_PROMPTS} prompts, got {num_labels}")
        wanted = 3 * num_labels
        if self.palette and len(self.palette) != wanted:
            raise ValueError(
                f"a palette of {wanted // 3} labels has {wanted} values, red, green and blue of "
                f"each; got {len(self.palette)}"
            )
        beyond = [value for value in self.palette if not 0 <= value <= 255]
        if beyond:
            raise ValueError(f"the palette's values must be in [0, 255], got {beyond[0]}")

    def _check_size(self) -> None:
        """Check what takes long to read, before anything reads it."""
        num_texts = len(self.prompts) + len(self.groups)
        num_texts += sum(group.count("|") for group in self.groups[:MAX_TEXTS])
        if num_texts > MAX_TEXTS:
            raise ValueError(f"{num_texts} texts are too many, at most {MAX_TEXTS} are read")
        in_groups = (text for group in self.groups for text in group.split("|"))
        for text in (*self.prompts, *self.names, *in_groups, self.template, self.query):
            if len(text) > MAX_TEXT_CHARS:
                raise ValueError(
                    f"a text of {len(text)} characters is too long, at most {MAX_TEXT_CHARS} are "
                    f"read; it begins with {text[:20]!r}"
                )

    def labels(self) -> list[tuple[str, tuple[str, ...]]]:
        """Name and texts of each label, in the order of the labels."""
        groups = [_parse_group(group) for group in self.groups]
        group_of: dict[str, tuple[str, tuple[str, ...]]] = {}
        for group in groups:
            for text in group[1]:
                if text in group_of:
                    raise ValueError(
                        f"prompt {text!r} is in the groups {group_of[text][0]!r} and {group[0]!r}; "
                        f"leave it in one"
                    )
                group_of[text] = group
        labels: list[tuple[str, tuple[str, ...]]] = []
        prompts = [prompt.strip() for prompt in self.prompts]
        for name, prompt in zip(self.names or prompts, prompts, strict=True):
            label = group_of.get(prompt, (name, (prompt,)))
            if label not in labels or label not in groups:
                labels.append(label)
        return labels + [group for group in groups if group not in labels]


@dataclass(frozen=True)
class Query:
    """A text that points are compared with.

    Attributes:
        text: What was asked.
        embedding: (D,) float32 text embedding of unit length.
    """

    text: str
    embedding: Tensor

    def __post_init__(self) -> None:
        if self.embedding.ndim != 1:
            raise ValueError(f"embedding must be (D,), got {tuple(self.embedding.shape)}")


@dataclass(frozen=True)
class EncodedPrompts:
    """What points are compared with, as one immutable whole.

    Attributes:
        vocabulary: Labels with names, prompts, colors and text embeddings.
        query: The free text; None without one.
    """

    vocabulary: Vocabulary
    query: Query | None = None


def encode_prompt_set(prompt_set: PromptSet, embed_prompts: EmbedPrompts) -> EncodedPrompts:
    """Encode a prompt set by a CLIP.

    Args:
        prompt_set: What is asked.
        embed_prompts: The CLIP's text side.

    Returns:
        Labels with embeddings, and the query's embedding.

    Raises:
        ValueError: If the CLIP cannot take a text, or the labels make no vocabulary.
    """
    labels = prompt_set.labels()
    texts = [text for _, texts in labels for text in texts]
    vocabulary = make_vocabulary(
        [" | ".join(texts) for _, texts in labels],
        embed_prompts(texts, prompt_set.template),
        [name for name, _ in labels],
        texts_of_label=[texts for _, texts in labels],
        palette=prompt_set.palette,
        grouping=prompt_set.grouping,
    )
    query = prompt_set.query.strip()
    if not query:
        return EncodedPrompts(vocabulary)
    return EncodedPrompts(vocabulary, Query(query, embed_prompts([query], prompt_set.template)[0]))


def negatives_and_query(vocabulary: Vocabulary, query: Query) -> Tensor:
    """Put the text of a query behind the prompts that it competes with.

    A cosine alone says little: CLIP places every text near every point, and how near depends on the
    text. So the similarity of a point with a query is the probability that the query would get if
    it were one more prompt: near 0 where some prompt fits far better, 0.5 where one fits as well,
    near 1 where none comes close. It is worth more the better the prompts cover the scene. A prompt
    that is the query itself is no negative.

    Args:
        vocabulary: C prompts.
        query: Embedded by the same CLIP.

    Returns:
        (R + 1, D) float32 text embeddings: R negatives, then the query.
    """
    asked = query.text.strip().casefold()
    negatives = [row for row, text in enumerate(vocabulary.texts) if text.casefold() != asked]
    return torch.cat([vocabulary.embeddings[negatives], query.embedding[None].to("cpu")])


def as_prompt_set(
    prompts: Sequence[str] | PromptSet, names: Sequence[str] | None = None
) -> PromptSet:
    """Take prompts as the library's users give them.

    Args:
        prompts: C texts, or a whole PromptSet.
        names: C distinct names, by default the prompts; only for texts.

    Raises:
        ValueError: If one text came in place of a list, or names do not fit.
    """
    if isinstance(prompts, PromptSet):
        if names is not None:
            raise ValueError("a PromptSet has names of its own; give them there")
        return prompts
    if isinstance(prompts, str):
        raise ValueError(f"prompts must be a list of texts, got the text {prompts!r}")
    return PromptSet(tuple(prompts), tuple(names or ()))


def load_prompt_set(path: Path) -> PromptSet:
    """Read prompts from a file.

    Args:
        path: A .txt with a prompt a line, # before remarks; or a .yaml with a list of prompts, or
            with names and, for each, a prompt or a list of prompts that share the label.

    Returns:
        Prompts, names and groups.

    Raises:
        ValueError: If the file holds something else.
        OSError: If it cannot be read.
    """
    with name_damage(path, "file of prompts"):
        text = read_text(path)
    if path.suffix == ".txt":
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        return PromptSet(tuple(line for line in lines if line))
    try:
        content = load_yaml(text)
    except NOT_YAML as error:
        raise ValueError(f"{path}: this is no YAML ({one_line(error)})") from error
    if _is_text_list(content):
        return PromptSet(tuple(content))
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{path}: must be a list of prompts, or names and, for each, a prompt or a list of them"
        )
    for name, texts in content.items():
        if not isinstance(name, str) or not (isinstance(texts, str) or _is_text_list(texts)):
            raise ValueError(
                f"{path}: {shortened(repr(name))} must be a name with a prompt or a list of prompts"
            )
    groups = {name: texts for name, texts in content.items() if not isinstance(texts, str)}
    return PromptSet(
        tuple(texts if isinstance(texts, str) else texts[0] for texts in content.values()),
        tuple(content),
        tuple(f"{name}: {' | '.join(texts)}" for name, texts in groups.items()),
    )


def _is_text_list(content: object) -> bool:
    return (
        isinstance(content, list)
        and len(content) > 0
        and all(isinstance(text, str) for text in content)
    )


def _parse_group(group: str) -> tuple[str, tuple[str, ...]]:
    name, colon, listed = group.partition(":")
    texts = tuple(text.strip() for text in listed.split("|"))
    if not colon or not name.strip() or not all(texts):
        raise ValueError(
            f"group {group!r} must be a name, a colon, and texts with bars between them, such as "
            f"'vehicle: car | bus'"
        )
    if len(set(texts)) < len(texts):
        raise ValueError(f"group {name.strip()!r} names a text twice")
    return name.strip(), texts
