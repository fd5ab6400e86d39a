"""Keyframes by index: images are decoded only for who looks at them."""

from dataclasses import fields, replace

import pytest
import torch
from separable_samples import make_config

from clip2scene_core.datasets import NuScenesDataset, SemanticKittiDataset, nuscenes
from clip2scene_core.datasets.scannet import ScanNetDataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.samples import PairedSamples
from clip2scene_core.training.pretrain.prepare import prepare_distillation


class Decoding(NuScenesDataset):
    """Decodes every image, whether or not it was asked to."""

    def load(self, index, previous, with_pixels=True):
        return super().load(index, previous, with_pixels=True)


@pytest.mark.parametrize("kind", ["tiny_nuscenes", "tiny_kitti", "tiny_scannet"])
def test_sizes_without_pixels_are_those_of_the_images(request, kind):
    root = request.getfixturevalue(kind)
    open_it = {
        "tiny_nuscenes": NuScenesDataset,
        "tiny_kitti": SemanticKittiDataset,
        "tiny_scannet": ScanNetDataset,
    }[kind]
    dataset = open_it(root)
    whole, sized = dataset.load(0, ()), dataset.load(0, (), with_pixels=False)
    assert whole.cameras
    for one, other in zip(whole.cameras, sized.cameras, strict=True):
        assert other.image.shape == (*one.image.shape[:2], 0)
        assert (one.name, one.stamp_ns) == (other.name, other.stamp_ns)


@pytest.mark.parametrize("consensus", ["", "consensus.voxel_size_m=2.0"])
def test_no_image_is_decoded_where_the_teacher_is_cached(
    tmp_path, tiny_nuscenes, tiny_clip, monkeypatch, consensus
):
    basics = ["sweeps.min_range_m=0", *([consensus] if consensus else [])]
    config = make_config(tiny_clip, *basics)
    decoding = Decoding(tiny_nuscenes)
    expected = prepare_distillation(decoding, config, tmp_path, make_fabric(config)).samples
    batch = collate([expected[0, 0], expected[0, 1]])
    assert len(batch.point_index)
    asked = []
    read_picture = nuscenes.read_picture

    def listen(path, with_pixels=True):
        asked.append(with_pixels)
        return read_picture(path, with_pixels)

    monkeypatch.setattr(nuscenes, "read_picture", listen)
    dataset = NuScenesDataset(tiny_nuscenes)
    samples = prepare_distillation(dataset, config, tmp_path, make_fabric(config)).samples
    found = collate([samples[0, 0], samples[0, 1]])
    assert asked
    assert not any(asked)
    for one in fields(batch):
        assert torch.equal(getattr(found, one.name), getattr(batch, one.name)), one.name


def test_a_live_teacher_gets_the_pixels(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    config = replace(config, augmentation=replace(config.augmentation, image_flip=True))
    dataset = NuScenesDataset(tiny_nuscenes)
    data = prepare_distillation(dataset, config, tmp_path, make_fabric(config))
    assert isinstance(data.samples, PairedSamples)
    sample, embeddings = data.samples[0, 0]
    assert all(image.shape[2] == 3 for image in sample.images)
    assert len(embeddings) == len(sample.pixels) > 0
