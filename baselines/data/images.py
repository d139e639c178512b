"""Image files decoded, cropped, flipped and scaled to bytes, for worker processes."""

import math
from typing import Any, List, Optional, Tuple

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset

from joulebird.harness.core.errors import SpecError

Box = Tuple[int, int, int, int]


class Files(Dataset):
    """Decoded images (3, size, size) of bytes: middles or, with `seeds`, random parts."""

    def __init__(
        self, paths: List[str], order: Tensor, size: int, seeds: Optional[Tensor] = None
    ) -> None:
        self.paths, self.order, self.size, self.seeds = paths, order, size, seeds

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Any:
        """Return the image, or its SpecError: a raised one would arrive as a worker's traceback."""
        try:
            image = _decode(self.paths[int(self.order[place])])
        except SpecError as error:
            return error
        if self.seeds is None:
            return _bytes(middle(image, self.size))
        random = torch.Generator().manual_seed(int(self.seeds[place]))
        left, top, width, height = random_box(image.size, random)
        part = image.crop((left, top, left + width, top + height))
        pixels = _bytes(part.resize((self.size, self.size), _BILINEAR))
        return pixels.flip(2) if torch.rand((), generator=random) < 0.5 else pixels


_BILINEAR = 2  # PIL.Image.BILINEAR, in every version


def _decode(path: str) -> Any:
    from PIL import Image

    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except Exception as error:  # a decoder of a damaged file may raise anything
        lines = str(error).replace(repr(path), "").splitlines() or [type(error).__name__]
        raise SpecError(
            f"{path} cannot be decoded: {lines[0].strip()}", "replace or remove the file"
        ) from error


def _bytes(image: Any) -> Tensor:
    return torch.from_numpy(numpy.array(image).transpose(2, 0, 1).copy())


def middle(image: Any, size: int) -> Any:
    """Return the middle of an image with its shorter side scaled to `size` * 8 / 7."""
    short = size * 8 // 7
    width, height = (int(short * side / min(image.size)) for side in image.size)
    left, top = int(round((width - size) / 2.0)), int(round((height - size) / 2.0))
    image = image.resize((width, height), _BILINEAR)
    return image.crop((left, top, left + size, top + size))


def random_box(shape: Tuple[int, int], random: torch.Generator) -> Box:
    """Return left, top, width and height of a random part of an image of `shape` (width, height).

    Its area is 8 % to 100 % of the image's and its sides 3:4 to 4:3; after ten misfits it is the
    largest middle part of such sides.
    """
    width, height = shape
    for _ in range(10):
        share, ratio, across, down = torch.rand(4, generator=random).tolist()
        area = width * height * (0.08 + 0.92 * share)
        aspect = math.exp(math.log(3 / 4) + ratio * math.log(16 / 9))
        wide, high = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
        if 0 < wide <= width and 0 < high <= height:
            return int(across * (width - wide + 1)), int(down * (height - high + 1)), wide, high
    wide, high = min(width, int(round(height * 4 / 3))), min(height, int(round(width * 4 / 3)))
    return (width - wide) // 2, (height - high) // 2, wide, high


def stacked(images: List[Any]) -> Any:
    """Return a batch of images, or the first error among them."""
    errors = [image for image in images if isinstance(image, SpecError)]
    return errors[0] if errors else torch.stack(images)
