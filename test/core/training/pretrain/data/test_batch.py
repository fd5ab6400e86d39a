import numpy as np
import torch

from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample


def paired(num_clouds: int, pairs: list[tuple[int, int]], grids: list[int]) -> PairedSample:
    clouds = tuple(np.full((number + 2, 4), number, np.float32) for number in range(num_clouds))
    return PairedSample(
        token="t",
        clouds=clouds,
        images=(),
        cloud_index=np.array([cloud for cloud, _ in pairs]),
        point_index=np.array([point for _, point in pairs]),
        image_index=np.zeros(len(pairs), np.int64),
        pixels=np.zeros((len(pairs), 2), np.float32),
        metre_px=np.full(len(pairs), np.inf, np.float32),
        grid_index=np.array(grids),
        superpixel_index=np.array(grids) * 2,
        labels=np.concatenate([np.full(len(cloud), 3, np.uint8) for cloud in clouds]),
        confidences=np.concatenate([np.full(len(cloud), 0.5, np.float32) for cloud in clouds]),
        true_labels=np.concatenate([np.full(len(cloud), 4, np.uint8) for cloud in clouds]),
    )


def test_pairs_point_into_the_joined_cloud():
    first = paired(2, [(0, 1), (1, 2)], [0, 1])
    second = paired(1, [(0, 0), (0, 1)], [0, 0])
    batch = collate([(first, torch.full((2, 3), 7.0)), (second, torch.full((2, 3), 8.0))])
    assert batch.batch_index.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert batch.point_index.tolist() == [1, 4, 5, 6]
    assert batch.sample_index.tolist() == [0, 0, 1, 1]
    assert batch.grid_index.tolist() == [0, 1, 2, 2]
    assert batch.superpixel_index.tolist() == [0, 2, 3, 3]
    assert batch.points[:, 3].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert batch.pixel_embeddings[:, 0].tolist() == [7, 7, 8, 8]
    assert batch.labels.tolist() == [3] * 7
    assert batch.confidences.tolist() == [0.5] * 7
