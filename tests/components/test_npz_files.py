"""Files of arrays by strangers: numbers are read, in pieces or whole; everything else is refused by its header."""

from __future__ import annotations

import io
import os
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gentoolkit.components.npz_files import HEADER, NpzFile, file_sha256
from gentoolkit.registry import GentoolError


def saved(tmp_path, **arrays):
    path = tmp_path / "file.npz"
    np.savez(path, **arrays)
    return path


def packed(tmp_path, members, method=zipfile.ZIP_STORED):
    """An archive of these very bytes."""
    path = tmp_path / "file.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(shape, descr="<f8", content=b"", fortran=False):
    """A member that says what it is told to."""
    head = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + content


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_those_that_were_saved(tmp_path, save, order):
    path = tmp_path / "file.npz"
    images = np.arange(7 * 4 * 5 * 3, dtype=np.uint8).reshape(7, 4, 5, 3)
    matrix = np.asarray(np.random.default_rng(0).normal(size=(3, 4)), order=order)
    save(path, arr_0=images, matrix=matrix, number=np.float64(2.5), nothing=np.empty((0, 3)))
    file = NpzFile(path)
    assert set(file.headers) == {"arr_0", "matrix", "number", "nothing"}
    np.testing.assert_array_equal(file.read("matrix"), matrix)
    assert file.read("number") == 2.5
    assert file.read("nothing").shape == (0, 3)
    pieces = list(file.rows("arr_0", 3))
    assert [len(p) for p in pieces] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(pieces), images)
    np.testing.assert_array_equal(file.read("arr_0"), images)


def test_objects_run_nothing(tmp_path):
    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    path = saved(tmp_path, mu=np.array([Evil()], dtype=object))
    with pytest.raises(GentoolError, match="mu holds Python objects"):
        NpzFile(path)
    assert not mark.exists()
    np.load(path, allow_pickle=True)["mu"]
    assert mark.exists(), "the file does run it where it is let"


REFUSED = {
    "more numbers than there are": ({"a.npy": npy((1000, 1000))}, "a says that it is"),
    "fewer": ({"a.npy": npy((1,), content=bytes(16))}, "8 bytes, but holds 16"),
    "beyond any memory": ({"a.npy": npy((2**40, 2**40))}, "a says that it is"),
    "a negative shape": ({"a.npy": npy((-1, 8))}, "impossible shape"),
    "records": ({"a.npy": npy((1,), [("x", "<f8")], bytes(8))}, "no numbers"),
    "text": ({"a.npy": npy((1,), "<U2", bytes(8))}, "no numbers"),
    "complex numbers": ({"a.npy": npy((1,), "<c8", bytes(8))}, "no numbers"),
    "a long header": ({"a.npy": npy((1,), [("x" * HEADER, "<f8")], bytes(8))}, "no array of numbers"),
    "code as a header": ({"a.npy": npy("__import__('os')")}, "no array of numbers"),
    "another version": ({"a.npy": b"\x93NUMPY\x03\x00" + bytes(80)}, "version 3.0"),
    "no array": ({"a.npy": b"hello"}, "no array of numbers"),
    "an empty member": ({"a.npy": b""}, "no array of numbers"),
    "another file": ({"a.pkl": b""}, "no array"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, case):
    members, said = REFUSED[case]
    with pytest.raises(GentoolError, match=said):
        NpzFile(packed(tmp_path, members))


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_not_read(tmp_path):
    bomb = npy((2**25,), content=bytes(2**28))
    with pytest.raises(GentoolError, match="would unpack to"):
        NpzFile(packed(tmp_path, {"mu.npy": bomb}, zipfile.ZIP_DEFLATED))


def test_damage_is_noticed(tmp_path):
    path = saved(tmp_path, mu=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(GentoolError, match="mu is damaged"):
        NpzFile(path).read("mu")
    path.write_bytes(content[:3000])
    with pytest.raises(GentoolError, match="cannot be read as a zip archive"):
        NpzFile(path)


def test_names_and_sizes_are_asked_for(tmp_path):
    file = NpzFile(saved(tmp_path, mu=np.arange(4.0), sigma=np.asfortranarray(np.ones((2, 3)))))
    with pytest.raises(GentoolError, match="has no array 'arr_0'; it has mu, sigma"):
        file.read("arr_0")
    with pytest.raises(GentoolError, match="32 bytes, more than 31"):
        file.read("mu", 31)
    with pytest.raises(GentoolError, match="C order"):
        next(file.rows("sigma", 1))
    with pytest.raises(GentoolError, match="there is no file"):
        NpzFile(tmp_path / "nothing.npz")
    assert file_sha256(file.path) == sha256(file.path.read_bytes()).hexdigest()
    with pytest.raises(GentoolError, match="cannot be read"):
        file_sha256(tmp_path)


WHOLE = io.BytesIO()
np.savez(WHOLE, mu=np.arange(3.0), sigma=np.eye(3))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(WHOLE.getvalue()) - 1), st.integers(0, 255), st.integers(0, 40))
def test_any_bytes_give_arrays_or_an_error(tmp_path, at, value, cut):
    content = bytearray(WHOLE.getvalue())
    content[at] = value
    path = tmp_path / "any.npz"
    path.write_bytes(content[: len(content) - cut])
    try:
        file = NpzFile(path)
        for name in file.headers:
            assert file.read(name).nbytes == file.headers[name].bytes
    except GentoolError:
        pass
