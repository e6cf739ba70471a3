"""The small image encoder's grid of means."""

import pytest
import torch

from benchmarks.models.cnn import GRID, GridMeans, cell_weights, small_cnn


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 112, 112), (1, 257, 299), (3, 224, 224)])
def test_the_matrices_for_a_gpu_give_the_means_of_the_pooling(shape):
    network, seen = small_cnn(shape), {}
    (means,) = (layer for layer in network.modules() if isinstance(layer, GridMeans))
    means.register_forward_hook(lambda layer, inputs, output: seen.update({"in": inputs[0]}))
    network(torch.rand(2, *shape))
    expected = torch.nn.functional.adaptive_avg_pool2d(seen["in"], GRID)
    torch.testing.assert_close(means.rows @ seen["in"] @ means.columns.T, expected)


def test_cells_overlap_where_the_size_is_no_multiple():
    half, third = 1 / 2, 1 / 3
    assert torch.equal(cell_weights(5)[1], torch.tensor([0, half, half, 0, 0]))
    assert torch.equal(cell_weights(6)[2], torch.tensor([0, 0, 0, half, half, 0]))
    torch.testing.assert_close(cell_weights(10)[1], torch.tensor([0, 0, *[third] * 3, *[0] * 5]))


def test_the_means_are_no_part_of_the_saved_weights():
    assert not any(
        "rows" in name or "columns" in name for name in small_cnn((1, 28, 28)).state_dict()
    )
