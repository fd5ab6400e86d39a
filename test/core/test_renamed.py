from pathlib import Path

import pytest
from checkout import ROOT

from clip2scene_core.renamed import renamed_hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("config/pretrain_embedded.yaml", "config/pretrain_synthetic.yaml"),
        ("config/finetune_embedded.yaml", "config/finetune_synthetic.yaml"),
        ("config/tables_embedded.yaml", "config/tables_synthetic.yaml"),
        ("config/choices_embedded.yaml", "config/ablations_synthetic.yaml"),
        ("rosbags/embedded_street", "rosbags/synthetic_street"),
        ("rosbags/embedded_street/metadata.yaml", "rosbags/synthetic_street/metadata.yaml"),
    ],
)
def test_an_old_name_is_answered_with_the_new_one(old, new):
    assert renamed_hint(Path(old)) == f"; it is called {new} now"
    assert renamed_hint(Path("/opt/share") / old) == f"; it is called /opt/share/{new} now"
    assert renamed_hint(Path("..") / old) == f"; it is called ../{new} now"
    assert (ROOT / new).exists()
    assert not (ROOT / old).exists()


@pytest.mark.parametrize(
    "path", ["config/none.yaml", "/", ".", "..", "rosbags/street", "/a.b/c.d", "embedded", ""]
)
def test_a_path_that_never_was_ours_is_answered_with_nothing(path):
    assert renamed_hint(Path(path)) == ""


def test_a_new_name_is_answered_with_nothing():
    assert renamed_hint(Path("config/pretrain_synthetic.yaml")) == ""
