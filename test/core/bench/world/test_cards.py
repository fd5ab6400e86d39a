import hashlib

import pytest
from bench_results import make_result
from PIL import Image

from clip2scene_core.bench.markdown import BEGIN, END, CardError, replace_section
from clip2scene_core.bench.world.cards import format_section, update_shipped
from clip2scene_core.bench.world.shipped import RESULT

CLIP_ROW = "| **all** | 75.0 ± 4.3 (accuracy) | 45.0 (mean IoU) |"


def test_only_what_stands_between_the_marks_is_replaced():
    card = f"# a model\n\n{BEGIN}\nold\n{END}\nafter\n"
    once = replace_section(card, "new", "card.md")
    assert once == f"# a model\n\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replace_section(once, "new", "card.md") == once
    for broken in ("# a model", f"{END} {BEGIN}", BEGIN):
        with pytest.raises(CardError, match=r"card\.md has no place"):
            replace_section(broken, "new", "card.md")


def test_a_card_holds_the_numbers_of_its_own_file():
    section = format_section("bb", "student", make_result())
    assert "This file (seed 1):" in section
    assert "| car | 40.0 | 25.0 |" in section  # the second seed's, not the mean
    assert "| **mean** | 50.0 | 35.0 |" in section
    assert "| student | 45.0 ± 7.1 (2 seeds) |" in section
    assert "student_failures.png" in section
    assert "| **all** | 75.0 ± 4.3 (accuracy) | 45.0 (mean IoU) |" in format_section(
        "cc", "clip", make_result()
    )
    with pytest.raises(CardError, match="did not measure student"):
        format_section("dd", "student", make_result())


def test_all_shipped_cards_are_written_from_one_result(tmp_path):
    models, pictures = tmp_path / "models", tmp_path / "pictures" / "synthetic"
    models.mkdir()
    pictures.mkdir(parents=True)
    for name in ("car.png", "synonyms.png"):
        Image.new("RGB", (30, 20)).save(pictures / name)
    for name in ("clip", "student"):
        (models / f"{name}.safetensors").write_text(name)
        (models / f"{name}.md").write_text(f"# {name}\n{BEGIN}\n{END}\n")
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("clip", "student")}
    result = make_result(("aa", digests["student"]), digests["clip"])
    update_shipped(result, tmp_path / "pictures", models)
    assert (
        "| **all** | 75.0 ± 4.3 (accuracy) | 45.0 (mean IoU) |" in (models / "clip.md").read_text()
    )
    assert "This file (seed 1):" in (models / "student.md").read_text()
    for name in ("student_failures.png", "student_words.png", RESULT):
        assert (models / name).stat().st_size > 0
    (models / "other.safetensors").write_text("other")
    (models / "other.md").write_text(f"{BEGIN}\n{END}\n")
    (models / "clip.md").write_text(f"{BEGIN}\n{END}\n")
    with pytest.raises(CardError, match="did not measure other"):
        update_shipped(result, tmp_path / "pictures", models)
    assert (models / "clip.md").read_text() == f"{BEGIN}\n{END}\n"  # all or none
