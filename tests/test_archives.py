"""Archives may hold only files and folders inside their own folder; `test_acquire` tests the names of members."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from oncorobust.acquire.download import unpack
from oncorobust.base.errors import InputError


def tar_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


MEMBERS = {
    "a link to a file outside": [tar_member("a", tarfile.SYMTYPE, "../outside")],
    "a link to an absolute path": [tar_member("a", tarfile.SYMTYPE, "/outside")],
    "a hard link to a file outside": [tar_member("a", tarfile.LNKTYPE, "../outside")],
    "a pipe": [tar_member("a", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_tar_with_more_than_files_inside_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for member in MEMBERS[kind]:
            tar.addfile(member)
    (tmp_path / "inside").mkdir()
    with pytest.raises(InputError, match=r"expected an archive that stays in its folder, got .* in .*a\.tar"):
        unpack(tmp_path / "a.tar", tmp_path / "inside")
    assert not [path for path in (tmp_path / "inside").rglob("*") if path.resolve() == tmp_path / "outside"]


def test_what_is_unpacked_cannot_be_run_by_others(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a.sh")
    member.mode, member.size = 0o6777, 1
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(member, io.BytesIO(b"x"))
    unpack(tmp_path / "a.tar", tmp_path / "inside")
    mode = (tmp_path / "inside" / "a.sh").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)


def test_a_zip_with_a_pipe_gives_a_file(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("pipe")
    member.external_attr = (stat.S_IFIFO | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(member, "x")
    unpack(tmp_path / "a.zip", tmp_path / "inside")
    assert stat.S_ISREG(os.lstat(tmp_path / "inside" / "pipe").st_mode)
