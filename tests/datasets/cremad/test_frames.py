"""Frames: the published code's choice, torchvision's crops and resizing, on whole batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as TF

from datasets.cremad.stand_in import write_video
from datasets.errors import DataError
from datasets.raw import flv
from datasets.tensors import frames
from datasets.tensors.frames import Frames, cropped, random_boxes

SILENT = np.zeros(9000, np.int16)
PICTURES = torch.randint(0, 256, (5, 24, 32, 3), dtype=torch.uint8)


@pytest.mark.parametrize(("kept", "index"), list(enumerate([0, 1, 1, 2, 3, 2, 3], start=1)))
def test_the_picked_frame_is_the_published_codes(kept: int, index: int) -> None:
    assert flv.picked(kept) == index


@pytest.mark.parametrize(("frames_in_all", "kept"), [(1, 1), (29, 1), (30, 2), (88, 4)])
def test_one_frame_of_every_29_is_kept_and_one_of_these_picked(
    tmp_path, frames_in_all, kept
) -> None:
    """Each frame is as bright as its number says."""
    planes = np.full((frames_in_all, 48, 64), 128, np.uint8)
    planes[:, :32] = 40 + 2 * np.arange(frames_in_all)[:, None, None]
    write_video(tmp_path / "x.flv", planes, SILENT)
    picture, found = flv.read_frame((tmp_path / "x.flv").read_bytes(), "x.flv")
    assert found == kept and picture.shape == (32, 64, 3)
    number = 29 * flv.picked(kept)
    brightness = (40 + 2 * number - 16) * 255 / 219  # video range to full range
    assert picture.mean() == pytest.approx(brightness, abs=3)


def test_a_complete_file_misses_nothing_and_a_cut_one_does(tmp_path) -> None:
    write_video(tmp_path / "x.flv", np.full((9, 48, 64), 90, np.uint8), SILENT)
    content = (tmp_path / "x.flv").read_bytes()
    assert flv.missing_bytes(content) == 0
    cuts = [flv.missing_bytes(content[:stop]) for stop in range(14, len(content))]
    assert sum(1 for missing in cuts if missing == 0) < 0.1 * len(cuts)
    assert max(cuts) > 10


@pytest.mark.parametrize("damage", [b"", b"FLV", b"FLV\x01\x05\0\0\0\x09" + 40 * b"\xff"])
def test_damaged_bytes_are_a_data_error(damage: bytes) -> None:
    with pytest.raises(DataError, match=r"^x\.flv(:| is empty)"):
        flv.read_frame(damage, "x.flv")


@pytest.mark.parametrize("picture", [(256, 341), (40, 200), (200, 40)])
def test_boxes_are_distributed_as_torchvisions(picture: tuple[int, int]) -> None:
    drawn = random_boxes(4000, picture, torch.Generator().manual_seed(0)).double()
    image = torch.empty(3, *picture)
    scale, ratio = list(frames.SCALE), list(frames.RATIO)
    theirs = np.array([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(4000)])
    names = ("top", "left", "height", "width", "shape")
    for name, ours, their in zip(names, *map(with_shape, (drawn.numpy(), theirs)), strict=True):
        assert ks_2samp(ours, their).pvalue > 1e-3, name
    assert np.allclose(drawn.mean(0), theirs.mean(0), rtol=0.05, atol=0.5)
    assert torch.equal(drawn, drawn.round())
    bottom, right = drawn[:, 0] + drawn[:, 2], drawn[:, 1] + drawn[:, 3]
    assert drawn.min() >= 0 and bottom.max() <= picture[0] and right.max() <= picture[1]


def with_shape(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) as columns, and their width over height: (5, N)."""
    return np.stack([*boxes.T, boxes[:, 3] / boxes[:, 2]])


def test_where_nothing_fits_the_middle_is_taken() -> None:
    drawn = random_boxes(50, (6, 600), torch.Generator().manual_seed(0))
    assert (drawn == torch.tensor([0.0, 296.0, 6.0, 8.0])).all(1).any()


@pytest.mark.parametrize("mirror", [False, True])
def test_crops_are_torchvisions_without_antialiasing(mirror: bool) -> None:
    planes = torch.rand(6, 3, 24, 32)
    boxes = torch.tensor(
        [
            [0, 0, 24, 32],
            [3, 5, 7, 9],
            [23, 31, 1, 1],
            [0, 30, 24, 2],
            [2, 2, 16, 16],
            [8, 0, 16, 5],
        ]
    ).float()
    found = cropped(planes, boxes, torch.full((6,), mirror), 16)
    for row, box in enumerate(boxes.int().tolist()):
        expected = TF.resized_crop(planes[row], *box, [16, 16], antialias=False)
        expected = TF.hflip(expected) if mirror else expected
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=0)


def test_evaluation_resizes_and_normalises_as_torchvision() -> None:
    found = Frames(PICTURES, 16).gather(torch.tensor([3, 0]))
    resized = TF.resize(PICTURES[[3, 0]].permute(0, 3, 1, 2).float() / 255, [16, 16])
    expected = TF.normalize(resized, list(frames.MEAN), list(frames.DEVIATION))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_training_mirrors_half_and_changes_every_sample() -> None:
    ramp = torch.arange(32, dtype=torch.uint8).mul(7).expand(400, 24, 32)
    source = Frames(ramp.unsqueeze(3).expand(-1, -1, -1, 3).contiguous(), 8)
    rows = torch.arange(400)
    found = source.augmented(rows, torch.Generator().manual_seed(3))
    mirrored = (found[:, 0, 0, -1] < found[:, 0, 0, 0]).float().mean()
    assert 0.42 < mirrored < 0.58
    assert found[:, 0].flatten(1).unique(dim=0).shape[0] > 300
    assert torch.equal(found, source.augmented(rows, torch.Generator().manual_seed(3)))
    assert found.dtype == torch.float32 and found.shape == (400, 3, 8, 8)


def test_subsets_and_moves_keep_the_samples() -> None:
    source = Frames(PICTURES, 16).subset(torch.tensor([4, 1, 1]))
    moved = source.to("meta")
    assert source.to("cpu") is source and source.pictures.data_ptr() == PICTURES.data_ptr()
    assert moved.pictures.shape[0] == 3 and len(moved) == 3
    expected = Frames(PICTURES, 16).gather(torch.tensor([1, 4]))
    assert torch.equal(source.gather(torch.tensor([2, 0])), expected)
    every = source.gather_distinct(torch.arange(source.distinct_count))
    assert torch.equal(every[source.distinct_index], source.gather(torch.arange(3)))


def test_augmented_batches_take_their_own_rows() -> None:
    plain = torch.arange(5, dtype=torch.uint8).mul(50)[:, None, None, None].expand(5, 24, 32, 3)
    source = Frames(plain.contiguous(), 8).subset(torch.tensor([4, 2]))
    found = source.augmented(torch.tensor([1]), torch.Generator().manual_seed(0))
    assert found[0, 0].mean() == pytest.approx((100 / 255 - 0.485) / 0.229, abs=1e-3)


@pytest.mark.parametrize("pictures", [PICTURES.float(), PICTURES[0], PICTURES[..., :2]])
def test_wrong_pictures_are_refused(pictures: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"need uint8 \(K, rows, columns, 3\)"):
        Frames(pictures, 16)
