import pytest

from clip2scene_core.datasets import SceneRecord
from clip2scene_core.datasets.chosen_scenes import ChosenScenes, hold_out_scenes


class Numbers:
    """Keyframes that are numbers; scene "a" has 0 to 5, "b" 6 to 8, "c" 9."""

    classes, with_labels = (), False
    scenes = (SceneRecord("a", "A", 6), SceneRecord("b", "B", 3), SceneRecord("c", "C", 1))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return index

    def load(self, index, previous, with_pixels=True):
        return index, tuple(previous)

    def token(self, index):
        return f"key-{index}"

    def scene_token(self, index):
        return "aaaaaabbbc"[index]

    def num_previous(self, index, limit):
        return min(index, limit)


def test_chosen_scenes_keep_their_order_and_their_keyframes():
    chosen = ChosenScenes(Numbers(), ["c", "a"])
    assert [chosen[i] for i in range(len(chosen))] == [0, 1, 2, 3, 4, 5, 9]
    assert [scene.name for scene in chosen.scenes] == ["A", "C"]
    assert chosen.load(6, [1, 2]) == (9, (1, 2))
    assert (chosen.token(6), chosen.scene_token(6), chosen.num_previous(6, 4)) == ("key-9", "c", 4)


@pytest.mark.parametrize(
    ("share", "left", "held"),
    [(0.05, "ab", "c"), (0.1, "ab", "c"), (0.11, "a", "bc"), (0.9, "a", "bc")],
)
def test_the_last_scenes_are_held_out(share, left, held):
    rest, out = hold_out_scenes(Numbers(), share)
    assert "".join(scene.token for scene in rest.scenes) == left
    assert "".join(scene.token for scene in out.scenes) == held
    assert len(rest) + len(out) == 10


def test_nothing_is_held_out_of_one_scene():
    one = ChosenScenes(Numbers(), ["a"])
    assert hold_out_scenes(one, 0.5) == (one, None)
    numbers = Numbers()
    assert hold_out_scenes(numbers, 0) == (numbers, None)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\), got 1"):
        hold_out_scenes(numbers, 1)
