import pytest
from transform_contract import TransformContract

from clip2scene_core.geometry.transform_tree import TransformTree


class TestTransformTree(TransformContract):
    @pytest.fixture
    def make_tree(self):
        return TransformTree
