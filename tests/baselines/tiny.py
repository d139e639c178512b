"""A data set small enough to train a whole method on in a second: every sixth of the digits'
images.
"""

from joulebird.baselines.data.digits import load_digits
from joulebird.baselines.data.tensors import DataSet


def load(folder=None, device="cpu"):
    """240 training and 60 test images of the digits."""
    data = load_digits(folder, device)
    return data._replace(
        train_images=data.train_images[:1440:6],
        train_labels=data.train_labels[:1440:6],
        test_images=data.test_images[:360:6],
        test_labels=data.test_labels[:360:6],
    )


TINY = DataSet(10, (3, 32, 32), 240, 60, load)
