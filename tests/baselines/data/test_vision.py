"""torchvision is imported late, and beside a torch it was not built for."""

import subprocess
import sys

import pytest

from joulebird.baselines.data import vision
from joulebird.harness.core.errors import SpecError


def test_data_sets_can_be_read_whatever_torchvision_was_built_for():
    assert hasattr(vision.import_torchvision().datasets, "CIFAR10")


def test_importing_data_imports_no_torchvision():
    code = (
        "import sys, joulebird.baselines.data.vision, joulebird.baselines.training.loop, "
        "joulebird.baselines.methods.eb_train; sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.call([sys.executable, "-c", code]) == 0


def test_another_error_is_not_covered_up():
    with pytest.raises(SpecError) as error:
        vision._declare("something else broke", 0)
    assert "something else broke" in error.value.message
    assert error.value.hint


@pytest.mark.skipif(
    sys.version_info < (3, 7), reason="the old torchvision has no such import failure"
)
def test_operators_that_are_missing_are_declared(tmp_path):
    """Import a torchvision that lacks two operators, as a CUDA build beside a CPU torch does."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::made_up_one')\ndef one(x): return x\n"
        "@torch.library.register_fake('torchvision::made_up_two')\ndef two(x): return x\n"
    )
    (package / "datasets.py").write_text("CIFAR10 = 'here'\n")
    code = (
        "from joulebird.baselines.data.vision import import_torchvision as get; "
        "assert get().datasets.CIFAR10 == 'here'"
    )
    import os

    path = os.pathsep.join([str(tmp_path)] + [os.environ["PYTHONPATH"]])
    assert subprocess.call([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=path)) == 0
