import os
import struct
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from converter.classifier_data import find_pictures, readable
from converter.detector_data import box_single_faces, read_image, single_face_files
from converter.picture_files import files_in, left_out, read_picture
from facemask_edge.errors import InputError
from tests.converter.pictures import face, single_faces

pytestmark = pytest.mark.converter
NOT_UTF_8 = os.fsdecode(b"M\xfcller.png")


def huge_png(path: Path) -> Path:
    """A PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
    return path


def exif_turned(path: Path, *, masked: bool = True) -> Path:
    """A JPEG, 96 x 48 as it is stored, that is shown turned by a quarter."""
    _, content = cv2.imencode(".jpg", face(masked=masked, seed=0)[:48])
    # One entry, of the orientation, tag 0x0112: 6.
    entries = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    segment = b"Exif\0\0" + entries
    path.write_bytes(b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content.tobytes()[2:])
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "grey.png", "deep.png", "turned.jpg"])
def test_a_picture_has_the_pixels_that_opencv_reads(name: str, tmp_path: Path) -> None:
    path, image = tmp_path / name, face(masked=True, seed=0)
    if name.startswith("turned"):
        exif_turned(path)
    else:
        stored = {"deep": image.astype(np.uint16), "grey": image[..., 0]}.get(path.stem, image)
        cv2.imwrite(str(path), np.asarray(stored))
    read = read_picture(path)
    assert read is not None
    np.testing.assert_array_equal(read, np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR)))


def test_a_picture_is_turned_as_its_exif_data_say(tmp_path: Path) -> None:
    image = read_picture(exif_turned(tmp_path / "turned.jpg"))
    assert image is not None
    assert image.shape == (96, 48, 3)


def test_links_to_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "faces", tmp_path / "elsewhere"
    for path in (folder / "b" / "1.png", elsewhere / "2.png"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    for name, target in (
        ("a", folder / "b"),
        ("c", elsewhere),
        ("d", folder),
        ("e", folder / "e"),
        ("f", tmp_path / "gone"),
    ):
        (folder / name).symlink_to(target)
    assert [path.relative_to(folder).as_posix() for path in files_in(folder)] == ["b/1.png", "c/2.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody without rights")
def test_a_folder_that_cannot_be_read_is_no_empty_one() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "monday").mkdir()
        (folder / "monday").chmod(0)
        os.seteuid(65_534)
        try:
            with pytest.raises(InputError, match="monday cannot be read: Permission denied"):
                files_in(folder)
        finally:
            os.seteuid(0)


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    # Half a picture is none on the device either.
    whole = exif_turned(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    huge_png(tmp_path / "huge.png")
    for path in map(tmp_path.joinpath, ("empty.png", "notes.txt", "cut.jpg", "huge.png", "gone.png", ".")):
        assert read_picture(path) is None
        with pytest.raises(InputError, match="cannot be read"):
            read_image(path)


def test_a_picture_whose_name_is_no_utf_8_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = single_faces(tmp_path / "faces", 1)
    (folder / "with_mask" / "0.png").rename(folder / "with_mask" / NOT_UTF_8)
    good, _, bad = readable(find_pictures(folder))
    assert [picture.path.name for picture in good] == ["0.png"]
    (path,) = bad
    assert left_out(path).endswith(r"with_mask/M\xfcller.png: its name is no UTF-8; rename it; left out")
    assert box_single_faces(single_face_files(folder), lambda _: [], Console()) == []
    assert r"M\xfcller.png" in capsys.readouterr().out.replace("\n", "")
