"""Video frames as a source: uint8 pictures, cropped, resized and normalised batch by batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from datasets.errors import DataError
from datasets.tensors.sources import Source

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, per colour."""

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
ATTEMPTS = 10


class Frames(Source):
    """Sample i is picture `index[i]`, of K, resized to a square and normalised.

    Its sides need not be equal, so resizing may change proportions, as in the published code
    (AGM_ICCV2023@5a65542, dataloader/CREMAD_loader.py:133-145). `augmented` takes a random part
    of the picture instead, perhaps mirrored.
    """

    def __init__(self, pictures: Tensor, size: int, index: Tensor | None = None) -> None:
        """pictures (K, rows, columns, 3) uint8; index (N,) int64, by default 0..K-1.

        Raises DataError on another type or shape.
        """
        if pictures.dtype != torch.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            found = f"{pictures.dtype} {tuple(pictures.shape)}"
            raise DataError(f"pictures are {found}; need uint8 (K, rows, columns, 3)")
        self.pictures, self.size, self.shape = pictures, size, (3, size, size)
        self.distinct_count = len(pictures)
        everything = torch.arange(len(pictures), device=pictures.device)
        self.distinct_index = everything if index is None else index
        # Made once: a tensor made from numbers in every batch would make the device wait.
        mean, deviation = (torch.tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
        self.factor = (1 / (255 * deviation)).to(pictures.device)
        self.shift = (mean / deviation).to(pictures.device)

    def gather_distinct(self, rows: Tensor) -> Tensor:
        side = (self.size, self.size)
        resized = F.interpolate(self._planes(rows), side, mode="bilinear", antialias=True)
        return self._normalised(resized)

    def augmented(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """As torchvision's RandomResizedCrop and RandomHorizontalFlip, without antialiasing.

        (B,) int64 -> (B, 3, size, size) float32. The generator is on this source's device.
        """
        planes = self._planes(self.distinct_index.index_select(0, index))
        boxes = random_boxes(len(index), self.pictures.shape[1:3], generator)  # type: ignore[arg-type]
        mirrored = torch.rand(len(index), generator=generator, device=generator.device) < 0.5
        return self._normalised(cropped(planes, boxes, mirrored, self.size))

    def to(self, device: torch.device | str) -> Frames:
        """Only the pictures of this source move, not the whole table that it shares."""
        if torch.device(device) == self.pictures.device:
            return self
        chosen = self.pictures.index_select(0, self.distinct_index)
        return Frames(chosen.to(device), self.size)

    def subset(self, index: Tensor) -> Frames:
        return Frames(self.pictures, self.size, self.distinct_index.index_select(0, index))

    def _planes(self, rows: Tensor) -> Tensor:
        """(B,) -> (B, 3, rows, columns) float32 in [0, 255]."""
        return self.pictures.index_select(0, rows).permute(0, 3, 1, 2).float()

    def _normalised(self, planes: Tensor) -> Tensor:
        """Planes (B, 3, H, W) in [0, 255] with ImageNet's mean and deviation removed."""
        return planes * self.factor - self.shift


def random_boxes(count: int, picture: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Random parts of a picture (rows, columns): (count, 4) float32 of top, left, height, width.

    Distributed as those of torchvision's RandomResizedCrop: the first of ten attempts that fits
    into the picture, else its middle. Drawn for the whole batch at once, without the host.
    """
    device = generator.device
    share, shape, top, left = torch.rand(4, ATTEMPTS, count, generator=generator, device=device)
    rows, columns = picture
    area = rows * columns * (SCALE[0] + (SCALE[1] - SCALE[0]) * share)
    low, high = map(math.log, RATIO)
    ratio = (low + (high - low) * shape).exp()
    height, width = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
    fits = (height >= 1) & (height <= rows) & (width >= 1) & (width <= columns)
    free_rows, free_columns = rows - height, columns - width
    # Whole pixels, each equally likely; rounding must not lift a draw of nearly 1 beyond the last.
    top = torch.minimum((top * (free_rows + 1)).floor(), free_rows)
    left = torch.minimum((left * (free_columns + 1)).floor(), free_columns)
    boxes = torch.stack([top, left, height, width], 2)
    first = fits.int().argmax(0)[None, :, None].expand(1, count, 4)
    fitting, some = boxes.gather(0, first)[0].unbind(1), fits.any(0)
    whole = zip(fitting, _middle(rows, columns), strict=True)
    return torch.stack([torch.where(some, drawn, middle) for drawn, middle in whole], 1)


def cropped(planes: Tensor, boxes: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Parts `boxes` (B, 4) of planes (B, C, H, W), bilinear, as squares: (B, C, size, size)."""
    top, left, height, width = boxes.unbind(1)
    centre = (torch.arange(size, device=planes.device) + 0.5) / size
    across = torch.where(mirrored[:, None], 1 - centre, centre)
    x = _grid(across, left, width, planes.shape[3])
    y = _grid(centre.expand_as(across), top, height, planes.shape[2])
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), 3)
    return F.grid_sample(planes, grid, mode="bilinear", align_corners=False)


def _grid(share: Tensor, start: Tensor, length: Tensor, side: int) -> Tensor:
    """Where to sample, in [-1, 1] over `side` pixels: (B, size).

    Kept inside the part, as if it had been cut out before it was resized.
    """
    pixel = share * length[:, None] - 0.5
    inside = torch.minimum(pixel.clamp(min=0), length[:, None] - 1)
    return (2 * (start[:, None] + inside) + 1) / side - 1


def _middle(rows: int, columns: int) -> list[float]:
    """The largest part in the middle that has an allowed shape: top, left, height, width."""
    width = min(columns, round(rows * RATIO[1]))
    height = min(rows, round(columns / RATIO[0]))
    return [float((rows - height) // 2), float((columns - width) // 2), float(height), float(width)]
