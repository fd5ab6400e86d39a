"""Words of former versions are errors that say the new ones."""

import pytest

from clip2scene_ros.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (["world", "--out", "world", "--truth"], "--truth is called --ground-truth now"),
        (["bench", "choices", "--work", "work"], "ablations"),
    ],
)
def test_old_words_exit_with_2_and_say_the_new_ones(arguments, new, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert new in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_help_is_silent_about_old_words(capsys):
    with pytest.raises(SystemExit):
        main(["world", "--help"])
    assert "--truth" not in capsys.readouterr().out


def test_the_old_name_of_the_shipped_bag_is_answered_with_the_new_one(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["segment", "rosbags/embedded_street", "--out", str(out)]) == 1
    assert "it is called rosbags/synthetic_street now" in capsys.readouterr().err
    assert not out.exists()


def test_the_old_name_of_a_configuration_is_answered_with_the_new_one(tmp_path, capsys):
    config = tmp_path / "pretrain_embedded.yaml"
    assert main(["pretrain", "--config", str(config), "--print-config"]) == 1
    assert f"it is called {tmp_path}/pretrain_synthetic.yaml now" in capsys.readouterr().err
