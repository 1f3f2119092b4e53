"""A small disk in memory, in a mount namespace of this process: nobody else sees it, and it ends with the process."""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x00020000
BLOCK = b"\0" * 65_536


class Disk:
    """A mounted file system that can be filled. `folder` is where it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def give_to(self, other: Path) -> None:
        """Have the owner of another folder own it."""
        owner = other.stat()
        os.chown(self.folder, owner.st_uid, owner.st_gid)

    def fill(self) -> None:
        """Write until there is no room."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (len(BLOCK), 512):
                _write_until_full(file.fileno(), BLOCK[:size])

    def empty(self) -> None:
        """Give back the room that was filled."""
        self._ballast.unlink()


def enter_mount_namespace() -> None:
    """Have mounts of this process and of those that it starts be their own. Raises OSError where that is forbidden."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no mount namespace")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a disk of a size. Raises OSError, or CalledProcessError, where that is not allowed."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "quintet", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _write_until_full(file: int, block: bytes) -> None:
    try:
        while True:
            os.write(file, block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
