"""Keyframes by index: images are decoded only for who looks at them."""

from dataclasses import fields, replace

import pytest
import torch
from separable_samples import make_config

from clip2scene_core.config.parser import override
from clip2scene_core.datasets import NuScenesDataset, SemanticKittiDataset, nuscenes
from clip2scene_core.datasets.scannet import ScanNetDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.consensus import Consensus
from clip2scene_core.training.pretrain.data.kept_samples import KeptSamples
from clip2scene_core.training.pretrain.data.paired_sample import pair_points
from clip2scene_core.training.pretrain.data.samples import PairedSamples
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.pseudo_labels import teacher_pseudo_labels


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


MANY_CHANGES = [
    "sweeps.min_range_m=0", "augmentation.height_m=0.5", "augmentation.point_dropout=0.5",
    "augmentation.intensity_gamma=2.0", "augmentation.jitter_m=0.1", "input.level=true",
    "input.intensity=rank", "consensus.voxel_size_m=2.0",
]  # fmt: skip


def test_what_is_kept_changes_no_epoch(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, *MANY_CHANGES)
    loaded = []

    class Counting(NuScenesDataset):
        def load(self, index, previous, with_pixels=True):
            loaded.append(index)
            return super().load(index, previous, with_pixels)

    def epochs(config):
        dataset = Counting(tiny_nuscenes)
        samples = prepare_distillation(dataset, config, tmp_path, make_fabric(config)).samples
        loaded.clear()
        return [collate([samples[epoch, index] for index in (0, 1)]) for epoch in range(3)]

    kept = epochs(config)
    assert sorted(loaded) == [0, 1]
    once = override(config, ["training.epochs=1"])
    expected = epochs(once)
    assert len(loaded) == 6
    for batch, other in zip(kept, expected, strict=True):
        for one in fields(batch):
            assert torch.equal(getattr(batch, one.name), getattr(other, one.name)), one.name
    assert not torch.equal(kept[0].points, kept[1].points)


def test_sweeps_that_are_drawn_anew_are_not_kept(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "sweeps.count=2", "sweeps.choice=random", "sweeps.reach=3")
    dataset = NuScenesDataset(tiny_nuscenes)
    samples = prepare_distillation(dataset, config, tmp_path, make_fabric(config)).samples
    assert samples._kept is None


@pytest.mark.parametrize("loss", ["feature=cosine", "semantic=kl", "contrastive=ppkt"])
def test_pixels_of_a_consensus_are_read_for_losses_alone(
    tmp_path, tiny_nuscenes, tiny_clip, monkeypatch, loss
):
    find_labels = Consensus.label

    def label_half(self, points, stamp_ns, agree):
        labels, confidences = find_labels(self, points, stamp_ns, agree)
        labels[::2], confidences[::2] = IGNORE_LABEL, 0
        return labels, confidences

    monkeypatch.setattr(Consensus, "label", label_half)
    config = make_config(tiny_clip, "sweeps.min_range_m=0", "consensus.voxel_size_m=2.0")
    dataset, fabric = NuScenesDataset(tiny_nuscenes), make_fabric(config)
    by_label = prepare_distillation(dataset, config, tmp_path, fabric)
    whole = override(config, [f"losses.{loss}", "losses.class_balance=false"])
    sample, embeddings = by_label.samples[0, 0]
    _, read = prepare_distillation(dataset, whole, tmp_path, fabric).samples[0, 0]
    has_consensus = torch.from_numpy(sample.consensus_of_pairs != IGNORE_LABEL)
    assert 0 < has_consensus.sum() < len(has_consensus)
    torch.testing.assert_close(torch.linalg.vector_norm(read, dim=1), torch.ones(len(read)))
    assert torch.equal(embeddings[~has_consensus], read[~has_consensus])
    assert not embeddings[has_consensus].any()
    text = by_label.vocabulary.embeddings
    labels, others = (
        teacher_pseudo_labels(collate([(sample, pixels)]), text, 10.0)
        for pixels in (embeddings, read)
    )
    assert torch.equal(labels.pair_labels, others.pair_labels)
    assert torch.equal(labels.confidences, others.confidences)


def test_the_first_keyframes_stay_and_cannot_be_written_to(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    dataset = NuScenesDataset(tiny_nuscenes)
    first, second = (pair_points(dataset.load(i, (), False), config) for i in (0, 1))
    room = sum(
        array.nbytes
        for array in (
            *first.clouds, first.cloud_index, first.point_index, first.image_index, first.pixels,
            first.grid_index, first.superpixel_index, first.labels, first.confidences,
            first.true_labels, first.metre_px,
        )
    )  # fmt: skip
    kept = KeptSamples(room)
    kept.keep(0, first)
    kept.keep(1, second)
    assert kept.find(0) is first
    assert kept.find(1) is None
    for array in (first.clouds[0], first.pixels, first.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    none = KeptSamples(room - 1)
    none.keep(1, replace(second, clouds=first.clouds * 2))
    assert none.find(1) is None


def test_a_live_teacher_gets_the_pixels(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    config = replace(config, augmentation=replace(config.augmentation, image_flip=True))
    dataset = NuScenesDataset(tiny_nuscenes)
    data = prepare_distillation(dataset, config, tmp_path, make_fabric(config))
    assert isinstance(data.samples, PairedSamples)
    sample, embeddings = data.samples[0, 0]
    assert all(image.shape[2] == 3 for image in sample.images)
    assert len(embeddings) == len(sample.pixels) > 0
