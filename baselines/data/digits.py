"""The handwritten digits that come with the package."""

import gzip
import io
import pkgutil
from typing import Optional

import numpy

from joulebird.baselines.data.tensors import DataSet, TensorData, on_device


def load_digits(folder: Optional[str] = None, device: str = "cpu") -> TensorData:
    """Return the 1797 handwritten digits of the UCI optical recognition set, as 3 x 32 x 32 pixels.

    They come with the package (`digits.npy.gz`, with its source and licence beside it), so `folder`
    is ignored. Of every class, each fifth image in the file's order is a test image. A mirrored
    digit is no digit: no flips; and crops reach 2 pixels beyond the edge, half a pixel of the
    original.
    """
    packed = pkgutil.get_data("joulebird.baselines.data", "digits.npy.gz") or b""
    table = numpy.load(io.BytesIO(gzip.decompress(packed)), allow_pickle=False)
    pixels, labels = table[:, :64].reshape(-1, 1, 8, 8), table[:, 64].astype(numpy.int64)
    pixels = (pixels.astype(numpy.float32) * (255.0 / 16.0)).round().astype(numpy.uint8)
    images = numpy.repeat(pixels.repeat(4, axis=2).repeat(4, axis=3), 3, axis=1)
    test = numpy.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[numpy.flatnonzero(labels == digit)[4::5]] = True
    return TensorData(
        on_device(images[~test], device),
        on_device(labels[~test], device),
        on_device(images[test], device),
        on_device(labels[test], device),
        classes=10,
        mean=(0.3052,) * 3,
        std=(0.3760,) * 3,
        pad=2,
        flip=False,
    )


DIGITS = DataSet(10, (3, 32, 32), 1442, 355, load_digits)
