import pytest
import torch

from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.teacher.text import PROMPT_TEMPLATES, embed_prompts


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder("small")


def test_the_ensemble_is_the_mean_over_all_templates(encoder):
    texts = embed_prompts(encoder.clip, ["car", "tree"], PROMPT_TEMPLATES)
    torch.testing.assert_close(encoder(["car", "tree"]), texts)


def test_one_template_is_read_alone(encoder):
    one = encoder(["car"], "a photo of a {}.")
    torch.testing.assert_close(one, embed_prompts(encoder.clip, ["car"], ["a photo of a {}."]))
    assert not torch.allclose(one, encoder(["car"]))


def test_a_template_with_a_word_that_the_clip_never_saw_is_refused(encoder):
    with pytest.raises(ValueError, match=r"a xylophone of \{\}. holds a word"):
        encoder(["car"], "a xylophone of {}")
