"""Files are whole or absent, and reading one runs nothing."""

import collections
import os
import pickle
import random

import pytest
import torch

from joulebird.baselines.training import saving
from joulebird.harness.core.errors import SpecError


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_what_is_saved_comes_back(tmp_path):
    state = collections.OrderedDict(a=torch.randn(2, 3), b=torch.arange(3))
    value = {
        "widths": [[1, 2], [3]],
        "state": state,
        "mask": torch.tensor([True, False]),
        "half": torch.ones(2).half(),
        "epoch": 3,
        "accuracy": 0.5,
        "none": None,
        "name": "x",
        "pair": (1, 2.5),
    }
    path = tmp_path / "result.pt"
    saving.save(path, value)
    back = saving.load(path)
    assert back["widths"] == value["widths"]
    assert back["pair"] == (1, 2.5)
    assert back["none"] is None
    for name in ("mask", "half"):
        assert torch.equal(back[name], value[name])
        assert back[name].dtype == value[name].dtype
    assert all(torch.equal(back["state"][name], tensor) for name, tensor in value["state"].items())
    assert os.listdir(str(tmp_path)) == ["result.pt"]


def test_optimiser_and_model_states_come_back(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.pt"
    saving.save(
        path,
        {
            "optimizer": optimizer.state_dict(),
            "state": model.state_dict(),
            "parameter": model.weight,
        },
    )
    back = saving.load(path)
    assert torch.equal(
        back["optimizer"]["state"][0]["momentum_buffer"],
        optimizer.state_dict()["state"][0]["momentum_buffer"],
    )
    assert torch.equal(back["parameter"], model.weight)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_run(tmp_path, legacy):
    path, trace = str(tmp_path / "evil.pt"), str(tmp_path / "ran")
    torch.save({"state": Evil(trace)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(SpecError) as error:
        saving.load(path)
    assert not os.path.exists(trace)
    assert error.value.hint
    text = error.value.message + error.value.hint
    assert "mkdir, which is not data" in text
    assert "weights_only" not in text
    assert "succeed" not in text


def test_a_plain_pickle_with_code_is_not_run(tmp_path):
    path, trace = str(tmp_path / "evil.pkl"), str(tmp_path / "ran")
    with open(path, "wb") as file:
        pickle.dump(Evil(trace), file)
    with pytest.raises(SpecError):
        saving.load(path)
    assert not os.path.exists(trace)


def test_old_format_files_of_tensors_are_read(tmp_path):
    path = str(tmp_path / "old.pth.tar")
    torch.save(
        {"state_dict": collections.OrderedDict(w=torch.ones(2)), "best_prec1": 0.5},
        path,
        _use_new_zipfile_serialization=False,
    )
    assert torch.equal(saving.load(path)["state_dict"]["w"], torch.ones(2))


def test_script_files_are_refused(tmp_path):
    path = str(tmp_path / "script.pt")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1, 1)), path)
    with pytest.raises(SpecError):
        saving.load(path)


def test_a_cut_or_missing_file_is_one_clear_error(tmp_path):
    path = str(tmp_path / "result.pt")
    saving.save(path, {"state": torch.randn(1000)})
    with open(path, "rb") as file:
        whole = file.read()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        with open(path, "wb") as file:
            file.write(whole[:length])
        with pytest.raises(SpecError):
            saving.load(path)
    with pytest.raises(SpecError, match="there is no"):
        saving.load(str(tmp_path / "absent.pt"))


def damaged(whole, rng):
    """The bytes with a bit or some bytes changed, a run of them zeroed, or the end cut off."""
    data, kind, at = (
        bytearray(whole),
        rng.choice(("bit", "bytes", "zeros", "cut")),
        rng.randrange(len(whole)),
    )
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        for place in [at] + [rng.randrange(len(whole)) for _ in range(rng.choice((0, 7)))]:
            data[place] = rng.randrange(256)
    elif kind == "zeros":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    return bytes(data[:at] if kind == "cut" else data)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file_is_refused_or_holds_the_very_same(tmp_path, legacy):
    """300 of them. The older format has no checksums: there a changed number may pass, but
    nothing else than SpecError gets out.
    """
    rng, path = random.Random(3), str(tmp_path / "checkpoint.pt")
    value = {
        "widths": [3, [2]],
        "state": collections.OrderedDict(w=torch.arange(30.0), n=torch.tensor(4)),
        "mask": torch.ones(5) > 0,
    }
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    with open(path, "rb") as file:
        whole = file.read()
    wanted, refused = repr(value), 0
    for _ in range(300):
        with open(path, "wb") as file:
            file.write(damaged(whole, rng))
        try:
            loaded = repr(saving.load(path))
        except SpecError as error:
            refused.append(error)
        else:
            assert loaded == wanted or legacy
    assert 200 < len(refused) < 300
    assert all(error.hint and "\n" not in error.message for error in refused)


def test_numbers_marked_as_a_folder_are_refused(tmp_path):
    """No checksum is over that mark, and torch 1.10 then gives whatever the memory held."""
    path = str(tmp_path / "result.pt")
    saving.save(path, {"state": torch.arange(30.0)})
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[data.rindex(b"PK\1\2", 0, data.rindex(b"data/0")) + 38] = 0x10
    with open(path, "wb") as file:
        file.write(data)
    with pytest.raises(SpecError, match="damaged"):
        saving.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = str(tmp_path / "result.pt")
    saving.save(path, {"epoch": 1})
    with pytest.raises(Exception, match="pickle|local object"):
        saving.save(path, {"epoch": 2, "bad": lambda: None})
    assert saving.load(path) == {"epoch": 1}
