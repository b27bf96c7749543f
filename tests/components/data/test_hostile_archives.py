"""Archives that are damaged, cut off or made to harm: a `GentoolError` that names the member, in bounded memory and time."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gentoolkit.components.data import decoding, lmdb_files, members
from gentoolkit.components.data.decoding import PIXELS, Decoding, UnusableError, decode
from gentoolkit.components.data.image_folder import ImageFolder
from gentoolkit.components.data.image_lmdb import ImageLmdb
from gentoolkit.components.data.image_parquet import ImageParquet
from gentoolkit.components.data.image_tar import ImageTar
from gentoolkit.components.data.image_zip import ImageZip
from gentoolkit.components.data.packed import Packed
from gentoolkit.registry import Facts, GentoolError
from gentoolkit.testing.sources import pictures, write_source

SOURCES = {
    "image-zip": ImageZip,
    "image-tar": ImageTar,
    "packed": Packed,
    "image-parquet": ImageParquet,
    "image-lmdb": ImageLmdb,
}
PNG = pictures(1).files()[0][1]


def open_(use, path, **options):
    return SOURCES[use](source=str(path), **{"size": 8, **options}).build(Facts(), {})


def zipped(path, *entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def tarred(path, *entries):
    with tarfile.open(path, "w") as archive:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


NAMES = [
    ("../evil.png", "leads out of the archive"),
    ("a/../../evil.png", "leads out of the archive"),
    ("..\\evil.png", "leads out of the archive"),
    ("/etc/evil.png", "absolute name"),
    ("C:/evil.png", "absolute name"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
@pytest.mark.parametrize(("use", "write"), [("image-zip", zipped), ("image-tar", tarred)])
def test_names_that_lead_out_are_refused_by_name(tmp_path, use, write, name, message):
    path = write(tmp_path / "x", ("good.png", PNG), (name, PNG))
    with pytest.raises(GentoolError, match=message) as caught:
        open_(use, path)
    assert name in str(caught.value)
    with pytest.warns(UserWarning, match=message):
        assert list(open_(use, path, on_error="skip").names) == ["good.png"]


def test_links_are_refused_by_name(tmp_path):
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    with pytest.raises(GentoolError, match=r"link\.png is a link"):
        open_("image-zip", zipped(tmp_path / "x.zip", (info, "/etc/passwd")))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = kind, "/etc/passwd"
        with pytest.raises(GentoolError, match=r"link\.png is a link"):
            open_("image-tar", tarred(tmp_path / "x.tar", (link, b"")))


def test_a_member_that_unpacks_to_much_more_is_refused_before_it_is_unpacked(tmp_path):
    path = zipped(tmp_path / "x.zip", ("bomb.png", bytes(60_000_000)), ("a.png", PNG), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 70_000
    tracemalloc.start()
    with pytest.raises(GentoolError, match=r"would unpack to 6.* bytes"):
        open_("image-zip", path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    with open(path, "ab") as file:  # with room enough in the archive it is the member that is refused
        file.write(bytes(1_000_000))
    padded = tmp_path / "padded.zip"
    zipped(padded, ("filler.bin", np.random.default_rng(0).bytes(1_000_000)), ("bomb.png", b""))
    with zipfile.ZipFile(padded, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bigger.png", bytes(60_000_000))
    with pytest.raises(GentoolError, match=r"bigger\.png would unpack to 60000000 bytes out of"):
        open_("image-zip", padded)


def test_a_member_that_lies_about_its_size(tmp_path):
    path = zipped(tmp_path / "x.zip", ("liar.png", bytes(500_000)), method=zipfile.ZIP_DEFLATED)
    honest = path.read_bytes()
    for wrong, message in ((499_000, "unpacks to more than the 499000 bytes"), (600_000, "unpacks to fewer than the 600000")):
        path.write_bytes(honest.replace(struct.pack("<I", 500_000), struct.pack("<I", wrong)))
        with pytest.raises(GentoolError, match=rf"liar\.png {message}"):
            open_("image-zip", path)


def test_members_that_share_their_bytes(tmp_path):
    path = zipped(tmp_path / "x.zip", *((f"{k}.png", PNG * 20) for k in range(4)))
    whole = path.read_bytes()
    at = whole.index(b"PK\1\2")
    lines = bytearray(whole[at:])
    for k in range(4):  # all four lines point at the first member, and what they claim is more than there is
        start = lines.index(f"{k}.png".encode()) - 46
        lines[start + 42 : start + 46] = bytes(4)
    end = lines.index(b"PK\5\6")
    struct.pack_into("<I", lines, end + 16, len(PNG) * 20 + 35)
    path.write_bytes(whole[: len(PNG) * 20 + 35] + bytes(lines))
    with pytest.raises(GentoolError, match="they overlap"):
        open_("image-zip", path)


def test_a_damaged_member_is_found_by_its_checksum(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.png", PNG), ("b.png", PNG))
    content = bytearray(path.read_bytes())
    content[content.index(PNG) + 60] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(GentoolError, match=r"x\.zip: a\.png is damaged: its checksum"):
        open_("image-zip", path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flag_bits": 1}, "is encrypted"),
        ({"compress_type": zipfile.ZIP_BZIP2}, "is packed by method 12"),
        ({"header_offset": 7}, "has no header where"),
        ({"compress_size": 40}, "would unpack|unpacks|has no header|checksum"),
    ],
)
def test_what_a_directory_may_say(tmp_path, monkeypatch, change, message):
    path = zipped(tmp_path / "x.zip", ("a.png", PNG))
    honest = zipfile.ZipFile.infolist

    def changed(self):
        found = honest(self)
        for name, value in change.items():
            setattr(found[0], name, value)
        return found

    monkeypatch.setattr(zipfile.ZipFile, "infolist", changed)
    with pytest.raises(GentoolError, match=rf"a\.png.*({message})"):
        open_("image-zip", path)


@pytest.mark.parametrize("use", SOURCES)
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path, use):
    source = write_source(use, tmp_path)
    path = {"image-tar": f"{source}/001.tar", "image-lmdb": f"{source}/data.mdb"}.get(use, source)
    with open(path, "rb") as file:
        whole = file.read()
    for share in (0.0, 0.1, 0.3, 0.5):
        with open(path, "wb") as file:
            file.write(whole[: int(len(whole) * share)])
        with pytest.raises(GentoolError) as caught:
            open_(use, source)
        assert tmp_path.name in str(caught.value)


def test_a_tar_archive_that_ends_within_a_member_names_it(tmp_path):
    path = tarred(tmp_path / "x.tar", ("a.png", PNG), ("b.png", PNG * 30))
    path.write_bytes(path.read_bytes()[:-12_000])
    with pytest.raises(GentoolError, match=r"x\.tar is cut off: it ends within 'b\.png'"):
        open_("image-tar", path)


def test_a_tar_archive_that_ends_between_two_members_lacks_its_end(tmp_path):
    path = tarred(tmp_path / "x.tar", ("a.png", PNG), ("b.png", PNG))
    path.write_bytes(path.read_bytes()[: 2 * 512])
    with pytest.raises(GentoolError, match=r"x\.tar is cut off: it has no end mark after 'a\.png'"):
        open_("image-tar", path)


def test_a_tar_header_of_gigabytes_is_not_read(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2_000_000
    path = tmp_path / "x.tar"
    with open(path, "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(3_000_000)
    with pytest.raises(GentoolError, match="has a header of 2000000 bytes"):
        open_("image-tar", path)


@pytest.mark.parametrize(
    ("record", "message"), [(b"0 path=x\n", "of no length"), (b"99 path=x\n", "of no length"), (b"13 size=-1e3\n", "no number")]
)
def test_pax_records_that_would_never_end(tmp_path, record, message):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    path = tmp_path / "x.tar"
    path.write_bytes(info.tobuf() + record.ljust(512, b"\0") + bytes(1024))
    with pytest.raises(GentoolError, match=message):
        open_("image-tar", path)


def test_an_image_of_too_many_pixels_is_refused_by_name_before_it_is_unpacked(tmp_path):
    side = int(PIXELS**0.5) + 1
    rows = zlib.compress(bytes(side * 4), 9)
    body = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [body, b"IDAT" + rows, b"IEND"]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    path = zipped(tmp_path / "x.zip", ("huge.png", png))
    with pytest.raises(GentoolError, match=rf"huge\.png has {side}x{side} pixels, more than {PIXELS}"):
        open_("image-zip", path)


def test_a_jpeg_of_a_thousand_passes_is_refused():
    with pytest.raises(UnusableError, match="passes over the picture"):
        decode(b"\xff\xd8\xff" + b"\xff\xda\0\x0c" * (decoding.SCANS + 1), Decoding((8, 8), 3, "none"))


def test_a_member_larger_than_any_image(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "size_trouble", lambda *a: None)
    monkeypatch.setattr("gentoolkit.components.data.folder_files.LARGEST", 100)
    (tmp_path / "a.png").write_bytes(PNG * 3)
    with pytest.raises(GentoolError, match=r"a\.png is larger than 100 bytes"):
        ImageFolder(source=str(tmp_path), size=8).build(Facts(), {})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pack.json", lambda b: b"{", r"pack\.json cannot be read"),
        ("pack.json", lambda b: json.dumps({"format": 99}).encode(), "has the format 99"),
        ("images.npy", lambda b: b[:-1], "is not as long as its shape"),
        ("images.npy", lambda b: b"PICKLE" + b[6:], "is no NumPy array"),
        ("images.npy", lambda b: b.replace(b"|u1", b"|O1"), "is no NumPy array|not uint8"),
        ("images.npy", lambda b: b.replace(b"(11, 8, 8, 3)", b"(11, 8, 8, 9)"), r"not uint8 \[n, H, W, 1 or 3\]"),
        ("labels.npy", lambda b: b[:-8], r"labels\.npy cannot be read"),
        ("labels.npy", lambda b: b.replace(b"<i8", b"<f8"), r"labels\.npy is float64"),
    ],
)
def test_a_packed_set_that_is_not_what_it_says(tmp_path, name, change, message):
    source = write_source("packed", tmp_path)
    with zipfile.ZipFile(source) as old:
        entries = [(n, change(old.read(n)) if n == name else old.read(n)) for n in old.namelist()]
    with pytest.raises(GentoolError, match=message):
        open_("packed", zipped(tmp_path / "other.zip", *entries), classes=2)


def test_no_packed_set_and_a_deflated_one(tmp_path):
    with pytest.raises(GentoolError, match=r"is no packed set.*gentool data pack"):
        open_("packed", zipped(tmp_path / "x.zip", ("a.png", PNG)))
    with zipfile.ZipFile(write_source("packed", tmp_path)) as old:
        entries = [(n, old.read(n)) for n in old.namelist()]
    with pytest.raises(GentoolError, match=r"images\.npy is packed; it must be stored"):
        open_("packed", zipped(tmp_path / "deflated.zip", *entries, method=zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"\0" * 20 + b[20:], "is no LMDB"),
        (lambda b: b[:4096], "its second page"),
        (lambda b: b[:9000], "is cut off"),
    ],
)
def test_an_lmdb_is_judged_before_it_is_mapped(tmp_path, monkeypatch, change, message):
    source = write_source("image-lmdb", tmp_path)
    path = f"{source}/data.mdb"
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(change(whole))
    monkeypatch.setattr(lmdb_files, "environment", None)
    with pytest.raises(GentoolError, match=message):
        open_("image-lmdb", source)


ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def opens_or_says_why(use, path, content):
    path.write_bytes(content)
    with contextlib.suppress(GentoolError):
        made = open_(use, path, classes=2)
        assert made[0]["x_0"].shape == (3, 8, 8)


@ANY
@given(st.sampled_from(["image-zip", "image-tar", "packed"]), st.binary(max_size=600), st.integers(0, 2))
def test_any_bytes_give_a_set_or_a_gentool_error(tmp_path, use, content, end):
    eocd = b"PK\5\6" + bytes(18)
    header = tarfile.TarInfo("a.png").tobuf()
    opens_or_says_why(use, tmp_path / "any", [content, content + eocd, header + content][end])


def whole_archive(use, root):
    """The bytes of a good archive."""
    with open(write_source(use, root) + ("/000.tar" if use == "image-tar" else ""), "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return {use: whole_archive(use, tmp_path_factory.mktemp("whole")) for use in ("image-zip", "image-tar", "packed")}


@ANY
@given(
    use=st.sampled_from(["image-zip", "image-tar", "packed"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
    keep=st.floats(0.5, 1),
)
def test_a_good_archive_with_any_damage_gives_a_set_or_a_gentool_error(tmp_path, archives, use, changes, keep):
    content = bytearray(archives[use])
    for where, new in changes:
        at = int(where * (len(content) - 1))
        content[at : at + len(new)] = new
    opens_or_says_why(use, tmp_path / "damaged", bytes(content[: int(len(content) * keep)]))
