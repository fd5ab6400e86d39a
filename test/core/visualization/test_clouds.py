import numpy as np
import torch

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.visualization.clouds import (
    draw_bird_eye,
    draw_legend,
    draw_names,
    draw_overlay,
    place_side_by_side,
    stack,
)

RED, GREEN = (255, 0, 0), (0, 255, 0)


def find(picture, color) -> np.ndarray:
    """(K, 2) rows and columns of a colour."""
    return np.argwhere((np.asarray(picture) == color).all(axis=2))


def test_ahead_is_up_and_left_is_left():
    points = np.array([[10.0, 0, 0], [0, 10.0, 0]])
    colors = np.array([RED, GREEN], dtype=np.uint8)
    picture = draw_bird_eye(points, colors, size_px=200, reach_m=20.0)
    np.testing.assert_allclose(find(picture, RED).mean(axis=0), [50.5, 100.5])
    np.testing.assert_allclose(find(picture, GREEN).mean(axis=0), [100.5, 50.5])


def test_higher_points_cover_lower_ones_and_far_ones_are_left_out():
    points = np.array([[5.0, 5.0, 2.0], [5.0, 5.0, 0.0], [500.0, 0.0, 0.0]])
    colors = np.array([RED, GREEN, GREEN], dtype=np.uint8)
    picture = draw_bird_eye(points, colors, size_px=200, reach_m=20.0)
    assert len(find(picture, RED)) == 4
    assert len(find(picture, GREEN)) == 0


def test_overlay_draws_labelled_points_where_the_camera_sees_them():
    intrinsics = np.array([[50.0, 0, 49.5], [0, 50.0, 24.5], [0, 0, 1]])
    camera = CameraView("c", np.zeros((50, 100, 3), np.uint8), intrinsics, np.eye(4), 0)
    points = np.array([[0, 0, 10, 0], [-5, 0, 10, 0], [0, 0, -10, 0]], dtype=np.float32)
    sweep = Sweep(points, np.eye(4), 0)  # the LiDAR frame is the camera's own here
    vocabulary = make_vocabulary(["pedestrian"], torch.eye(1))
    labels = np.array([0, IGNORE_LABEL, 0], dtype=np.uint8)
    picture = draw_overlay(camera, sweep, labels, vocabulary, width_px=200)
    assert picture.size == (200, 100)
    drawn = find(picture, RED)
    assert len(drawn) > 0
    np.testing.assert_allclose(drawn.mean(axis=0), [50, 100], atol=1)


def test_legend_lists_the_most_frequent_first():
    vocabulary = make_vocabulary(["car", "pedestrian"], torch.eye(2))
    legend = draw_legend(vocabulary, np.array([1, 1, 0], dtype=np.uint8), height_px=200)
    pedestrian = find(legend, tuple(vocabulary.colors[1]))[:, 0].mean()
    car = find(legend, tuple(vocabulary.colors[0]))[:, 0].mean()
    assert pedestrian < car


def test_pictures_are_placed_without_overlap():
    vocabulary = make_vocabulary(["car"], torch.eye(1))
    legend = draw_legend(vocabulary, np.zeros(0, np.uint8), height_px=100)
    row = place_side_by_side([legend, legend], ["a", "b"])
    assert row.size == (2 * legend.width + 10, 100 + 26)
    assert stack([row, row]).size == (row.width, 2 * row.height + 10)


def test_words_stand_in_the_order_of_the_labels_and_in_columns():
    vocabulary = make_vocabulary([f"word {i}" for i in range(23)], torch.eye(23))
    picture = draw_names(vocabulary)
    swatches = [find(picture, tuple(color)) for color in vocabulary.colors]
    assert all(len(swatch) == 19 * 19 for swatch in swatches)
    rows, columns = np.array([swatch.min(axis=0) for swatch in swatches]).T
    assert len(set(columns[:20])) == 1
    assert (np.diff(rows[:20]) == 26).all()
    assert (rows[20], columns[20]) == (rows[0], picture.width // 2 + columns[0])


def test_a_long_word_fits_the_picture():
    short, long = (
        draw_names(make_vocabulary([word], torch.eye(1))) for word in ("tram", "tram " * 20)
    )
    assert long.width > 8 * short.width
    right_edge = np.asarray(long)[:, -5:]
    assert (right_edge == right_edge[0, 0]).all()


def test_endless_names_do_not_make_an_endless_picture():
    names = [f"{index} " + "n" * 1000 for index in range(254)]
    assert draw_names(make_vocabulary(names, torch.rand(254, 3))).width < 13 * 2000
