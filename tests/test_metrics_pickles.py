"""The readers of pickled weights run nothing and refuse what they do not know."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpq_checks.errors import AssetCorruptError
from mpq_checks.metrics.pickles import read_numpy_pickle, read_torch_pickle


class Attack:
    """Makes a folder when an ordinary reader meets it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def test_reads_nested_arrays(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    arrays = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.float32([1])}
    file.write_bytes(pickle.dumps(arrays))
    found = read_numpy_pickle(file)
    assert sorted(found) == ["a/kernel", "b"]
    assert np.array_equal(found["a/kernel"], arrays["a"]["kernel"])


@pytest.mark.parametrize("legacy", [True, False])
def test_reads_checkpoints(tmp_path: Path, legacy: bool) -> None:
    import torch

    file = tmp_path / "weights.pth"
    state = {"state": OrderedDict(w=torch.arange(6.0).reshape(2, 3).T)}
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    assert torch.equal(read_torch_pickle(file)["state"]["w"], state["state"]["w"])


@pytest.mark.parametrize("nested", [True, False])
def test_numpy_reader_runs_nothing(tmp_path: Path, nested: bool) -> None:
    file, mark = tmp_path / "weights", tmp_path / "ran"
    attack: Any = Attack(mark)
    file.write_bytes(pickle.dumps({"a": {"kernel": attack}} if nested else attack))
    with pytest.raises(AssetCorruptError, match="mkdir"):
        read_numpy_pickle(file)
    assert not mark.exists()


def test_numpy_reader_runs_nothing_inside_of_an_array(tmp_path: Path) -> None:
    file, mark = tmp_path / "weights", tmp_path / "ran"
    file.write_bytes(pickle.dumps(np.array([Attack(mark), None])))
    with pytest.raises(AssetCorruptError, match="mkdir"):
        read_numpy_pickle(file)
    assert not mark.exists()


@pytest.mark.parametrize("legacy", [True, False])
def test_torch_reader_runs_nothing(tmp_path: Path, legacy: bool) -> None:
    import torch

    file, mark = tmp_path / "weights.pth", tmp_path / "ran"
    attack = {"state": Attack(mark)}
    torch.save(attack, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(AssetCorruptError, match="mkdir"):
        read_torch_pickle(file)
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps({"a": np.zeros(3, np.float32)})[:-9],
        pickle.dumps([1]),
        pickle.dumps({"a": 1.0}),
        pickle.dumps({"a": np.zeros(3)}),
        pickle.dumps({"a": np.array([None])}),
    ],
)
def test_numpy_reader_refuses_what_is_not_arrays(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "weights"
    file.write_bytes(data)
    with pytest.raises(AssetCorruptError, match="weights"):
        read_numpy_pickle(file)


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps([1]), b"PK\x03\x04 broken"])
def test_torch_reader_refuses_what_is_no_checkpoint(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(data)
    with pytest.raises(AssetCorruptError, match="weights"):
        read_torch_pickle(file)


def test_torch_reader_refuses_what_is_not_a_dictionary(tmp_path: Path) -> None:
    import torch

    file = tmp_path / "weights.pth"
    torch.save([torch.zeros(1)], file)
    with pytest.raises(AssetCorruptError, match="list"):
        read_torch_pickle(file)
