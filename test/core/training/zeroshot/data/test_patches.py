import numpy as np
import torch

from clip2scene_core.teacher.sampling import sample_at
from clip2scene_core.training.zeroshot.data.patches import find_patches

SIZES = np.array([[32, 56], [20, 30]])
GRIDS = np.array([[2, 4], [5, 3]])


def test_every_pixel_is_on_the_patch_around_it():
    generator = np.random.default_rng(0)
    image_index = generator.integers(0, 2, 200)
    highest = (SIZES[image_index] - 1)[:, ::-1]
    pixels = (generator.random((200, 2)) * highest).astype(np.float32)
    patches = find_patches(pixels, image_index, SIZES, GRIDS)
    assert len(patches.centers) == 2 * 4 + 5 * 3  # all of them are hit
    edges = (SIZES / GRIDS)[image_index][:, ::-1]
    apart = np.abs(pixels - patches.centers[patches.index])
    assert (apart <= edges / 2 + 1e-4).all()
    np.testing.assert_array_equal(patches.image_index[patches.index], image_index)


def test_the_embedding_at_a_center_is_the_patch_s_own():
    rows, columns = np.mgrid[:2, :4].reshape(2, -1)
    pixels = np.stack([columns * 14 + 3, rows * 16 + 5], axis=1).astype(np.float32)
    image_index = np.zeros(8, dtype=np.int64)
    patches = find_patches(pixels, image_index, SIZES[:1], GRIDS[:1])
    dense = torch.nn.functional.normalize(
        torch.randn(1, 6, 2, 4, generator=torch.Generator().manual_seed(0)), dim=1
    )
    found = sample_at(
        dense, torch.zeros(8, dtype=torch.int64), torch.from_numpy(patches.centers), (32, 56)
    )
    own = dense[0].flatten(1).T  # row by row, as the pixels were
    torch.testing.assert_close(found[patches.index], own, atol=1e-4, rtol=0)


def test_without_pairs_there_are_no_patches():
    nothing = np.zeros(0, dtype=np.int64)
    patches = find_patches(np.zeros((0, 2), np.float32), nothing, SIZES, GRIDS)
    assert (len(patches.index), patches.centers.shape) == (0, (0, 2))
