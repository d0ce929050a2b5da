"""Object arrays of npz files: arrays of research code are read, content that would run code is refused."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from support.paper_data import objects

from uplift_ros.lab.data.object_arrays import load_objects


def write(path, content, protocol=4):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": content.shape})
    pickle.dump(content, member, protocol=protocol)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("content.npy", member.getvalue())
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_dictionaries_lists_arrays_and_numbers_are_read(tmp_path, protocol):
    joints = np.arange(12.0).reshape(2, 2, 3)
    saved = {"S1": {"Walking 1": [joints, joints.astype(np.float32)]}, "rate": np.float64(50), "names": np.array(["a"])}
    read = load_objects(write(tmp_path / "a.npz", np.array(saved, object), protocol), "content")
    np.testing.assert_array_equal(read["S1"]["Walking 1"], [joints, joints])
    assert (read["rate"], read["names"].tolist()) == (50, ["a"])


def test_sequences_are_read_whether_or_not_they_have_one_length(tmp_path):
    np.savez(tmp_path / "a.npz", same=[np.zeros((2, 3))] * 2, other=objects([np.zeros((2, 3)), np.ones((4, 3))]))
    assert [len(part) for part in load_objects(tmp_path / "a.npz", "same")] == [2, 2]
    assert [len(part) for part in load_objects(tmp_path / "a.npz", "other")] == [2, 4]


class Malicious:
    """Object that creates a file if `pickle` loads it."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ((os.mkdir, ("created",)), "posix.mkdir"),
        ((eval, ("open('created', 'w')",)), "builtins.eval"),
        ((getattr, ("text", "upper")), "builtins.getattr"),
        ((np.fromfile, ("created",)), "numpy.fromfile"),
        ((OrderedDict, ()), "collections.OrderedDict"),
        ((np.ndarray, ((2,),)), "array 'content'"),
        ((np.dtype, ("V8",)), "V8"),
    ],
)
def test_content_that_would_call_a_function_is_refused_by_name(tmp_path, monkeypatch, call, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=named):
        load_objects(write(tmp_path / "a.npz", objects([Malicious(call)])), "content")
    assert not (tmp_path / "created").exists()


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "a.npz", objects([np.zeros(1000)]))
    with zipfile.ZipFile(path) as file:
        content = file.read("content.npy")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("content.npy", content[:-2000])
    with pytest.raises(ValueError, match="array 'content'"):
        load_objects(path, "content")
    with pytest.raises(ValueError, match="array 'missing'"):
        load_objects(path, "missing")
