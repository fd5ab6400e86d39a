import shutil

import pytest
from bench_results import make_result

from clip2scene_core.bench.json_dataclass import ResultError
from clip2scene_core.bench.markdown import BEGIN
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.world.cards import format_section
from clip2scene_core.bench.world.result import load_result, save_result
from clip2scene_core.bench.world.shipped import MODELS, RESULT, list_models


def test_the_models_of_this_package_are_listed():
    models = {model.name: model for model in list_models()}
    assert {"small_clip", "small_student"} <= set(models)
    assert models["small_clip"].kind == "clip"
    assert models["small_clip"].width is None
    student = models["small_student"]
    assert student.kind == "student"
    assert student.size_bytes == (MODELS / "small_student.safetensors").stat().st_size
    assert 4 * student.num_parameters == pytest.approx(student.size_bytes, rel=0.02)
    assert student.card.is_file()


def test_a_model_that_the_bench_measured_has_its_numbers(tmp_path):
    for name in ("small_clip", "small_student"):
        shutil.copy(MODELS / f"{name}.safetensors", tmp_path)
    clip, student = (
        digest_of(tmp_path / f"small_{kind}.safetensors") for kind in ("clip", "student")
    )
    save_result(tmp_path / RESULT, make_result(("aa", student), clip))
    models = {model.name: model for model in list_models(tmp_path)}
    assert models["small_clip"].scores == {"zero-shot accuracy": 0.75, "mean IoU of pixels": 0.45}
    assert models["small_student"].scores == {
        "mean IoU, student": 0.5, "mean IoU, projected teacher": 0.35,
    }  # fmt: skip
    save_result(tmp_path / RESULT, make_result(("aa", "bb"), "cc"))
    assert all(model.scores == {} for model in list_models(tmp_path))


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ValueError, match=r"broken\.safetensors: no model"):
        list_models(tmp_path)
    (tmp_path / RESULT).write_text("{}")
    with pytest.raises(ResultError):
        list_models(tmp_path)


def test_shipped_cards_hold_the_shipped_numbers():
    result = load_result(MODELS / RESULT)
    for model in list_models():
        if model.name == "large_student":  # measured beside the small one, by hand
            assert digest_of(MODELS / "large_student.safetensors") in model.card.read_text()
            continue
        assert model.scores, f"{model.name} is not the file that the bench measured"
        digest = digest_of(MODELS / f"{model.name}.safetensors")
        assert format_section(digest, model.name, result) in model.card.read_text()
        assert BEGIN in model.card.read_text()
