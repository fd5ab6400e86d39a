import numpy as np
import torch
from separable_samples import make_config

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.prepare import prepare_teacher
from clip2scene_core.training.zeroshot.data.batch import collate_zeroshot
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSamples


def make_samples(root, clip, folder, *assignments, is_unseen=(True, True, True)):
    config = make_config(clip, *assignments)
    dataset = NuScenesDataset(root)
    teacher = prepare_teacher(dataset, config, folder, make_fabric(config))
    samples = ZeroShotSamples(
        dataset,
        teacher.pixels,
        config,
        np.array(is_unseen),
        teacher.dense_clip.map_size,
        teacher.consensus,
    )
    return samples, teacher


def test_patches_are_the_places_of_the_teacher(tiny_nuscenes, tiny_clip, tmp_path):
    samples, teacher = make_samples(tiny_nuscenes, tiny_clip, tmp_path)
    sample = samples[0, 0]
    pictures = NuScenesDataset(tiny_nuscenes).files(0, ()).digest_images()
    maps = torch.cat([teacher.cache.read(picture) for picture in pictures]).float()
    rows, columns = maps.shape[2:]
    assert teacher.dense_clip.map_size((32, 56)) == (rows, columns)
    assert rows * columns > 1
    assert len(sample.patch_index) == len(sample.paired.pixels) > 0
    for pair, (u, v) in enumerate(sample.paired.pixels):
        row, column = int((v + 0.5) * rows / 32), int((u + 0.5) * columns / 56)
        place = maps[sample.paired.image_index[pair], :, row, column]
        found = sample.patch_embeddings[sample.patch_index[pair]]
        torch.testing.assert_close(found, place / place.norm(), atol=1e-3, rtol=0)


def test_the_consensus_names_unseen_classes_alone(tiny_nuscenes, tiny_clip, tmp_path):
    samples, _ = make_samples(
        tiny_nuscenes, tiny_clip, tmp_path, "consensus.voxel_size_m=2",
        is_unseen=(False, True, False),
    )  # fmt: skip
    assert set(samples[0, 0].paired.labels) == {1, IGNORE_LABEL}
    everything, _ = make_samples(tiny_nuscenes, tiny_clip, tmp_path, "consensus.voxel_size_m=2")
    assert set(everything[0, 0].paired.labels) != {1, IGNORE_LABEL}


def test_keyframes_of_a_batch_share_no_patch(tiny_nuscenes, tiny_clip, tmp_path):
    samples, _ = make_samples(tiny_nuscenes, tiny_clip, tmp_path)
    first, second = samples[0, 0], samples[0, 1]
    batch = collate_zeroshot([first, second])
    num_pairs = len(first.patch_index)
    assert int(batch.patch_index[:num_pairs].max()) < len(first.patch_embeddings)
    assert int(batch.patch_index[num_pairs:].min()) >= len(first.patch_embeddings)
    own = torch.cat([s.patch_embeddings[s.patch_index] for s in (first, second)])
    torch.testing.assert_close(batch.patch_embeddings[batch.patch_index], own)
    assert batch.true_labels.tolist() == [IGNORE_LABEL] * len(batch.pairs.points)
