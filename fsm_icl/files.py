"""Files on a disk or in an object store: named alike, read alike, written whole or not at all. No torch.

A `Folder` is a `Path`, or where text has a protocol (`s3://bucket/results`) a `UPath`, which does what a Path does.
Object stores have no folders, no renaming and no appending; one object is their atomic write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard
from urllib.parse import urlsplit

from fsm_icl.aws_errors import next_step

if TYPE_CHECKING:
    from upath import UPath

    Folder: TypeAlias = Path | UPath


def as_folder(text: str | Folder) -> Folder:
    """What a command line calls a folder: a path, `file:///...` or a URI such as s3://bucket/results.

    Raises:
        ValueError: the protocol is unknown, or what it needs is not installed; the message says what would help.
    """
    if not isinstance(text, str) or "://" not in text:
        return Path(text) if isinstance(text, str) else text
    if text.startswith("file://"):
        return Path(urlsplit(text).path)
    from upath import UPath  # here, because a trial on one machine needs no more than torch, numpy and pydantic

    try:
        # Listings change under our hands: other processes write here, too.
        folder = UPath(text, use_listings_cache=False)
        _ = folder.fs
    except (ImportError, ValueError) as error:
        message = str(error)
        install = "; pip install -c constraints.txt -e '.[aws]'" if "s3" in message else ""
        raise ValueError(f"{text}: {message}{install}") from None
    return folder


def is_local(folder: Folder) -> TypeGuard[Path]:
    """Whether it lies in the file system, a network's included."""
    return isinstance(folder, Path)


def read_bytes(path: Folder) -> bytes:
    """The file's content. Raises OSError, whatever library is behind it; FileNotFoundError where there is none."""
    with as_os_errors(path):
        return path.read_bytes()


def exists(path: Folder) -> bool:
    """Whether there is such a file or folder. Raises OSError as `read_bytes`: no answer is not a no."""
    with as_os_errors(path):
        return path.exists()


def found(folder: Folder, pattern: str) -> list[Folder]:
    """Paths in `folder` that match, sorted by name. Raises OSError as `read_bytes`."""
    with as_os_errors(folder):
        return sorted(folder.glob(pattern), key=str)


def read_all(folder: Folder, pattern: str) -> dict[Folder, bytes]:
    """Path -> content of all files that match, sorted by name; those of an object store are fetched side by side.

    Raises:
        OSError: as `read_bytes`; a file that goes away meanwhile is left out.
    """
    with as_os_errors(folder):
        paths = found(folder, pattern)
        if isinstance(folder, Path):
            return dict(_present(paths))
        # Not fs.cat, which asks for each file once more whether it is there.
        contents: list[Any] = folder.fs.cat_ranges([str(path) for path in paths], None, None, on_error="return")
        for failure in (c for c in contents if isinstance(c, Exception)):
            if not isinstance(failure, FileNotFoundError):
                raise failure
        return {path: c for path, c in zip(paths, contents, strict=True) if isinstance(c, bytes)}


def listed(folder: Folder) -> list[Folder]:
    """What lies in a folder, nothing where there is none. Raises OSError as `read_bytes`."""
    with as_os_errors(folder):
        try:
            return list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):  # which of the two depends on the library
            return []


def _present(paths: Iterable[Folder]) -> Iterator[tuple[Folder, bytes]]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield path, path.read_bytes()


def modified(folder: Folder, pattern: str) -> dict[Folder, float]:
    """Path -> Unix seconds of its last change, of all files that match. Raises OSError as `read_bytes`."""
    times: dict[Folder, float] = {}
    with as_os_errors(folder):
        if not isinstance(folder, Path):  # one listing; asking for each file would take minutes
            infos = folder.fs.glob(f"{folder.path}/{pattern}", detail=True)
            return {folder / _below(name, folder): changed_at(info) for name, info in infos.items()}
        for path in folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                times[path] = path.stat().st_mtime
    return times


def _below(name: str, folder: UPath) -> str:
    return name.strip("/").removeprefix(folder.path.strip("/")).strip("/")


def changed_at(info: Mapping[str, Any]) -> float:
    """Unix seconds of a file's last change, from fsspec's `info`: each library has its own name and type for it."""
    changed = next((info[name] for name in ("LastModified", "mtime", "updated", "created") if name in info), 0.0)
    return float(changed.timestamp() if isinstance(changed, datetime) else changed)


def write_atomically(path: Folder, content: str | bytes) -> None:
    """Write `content` so that a reader sees all of it or nothing: on a disk under a temporary name, then renamed.

    Raises:
        OSError: it could not be written; what was there before is untouched.
    """
    raw = content.encode() if isinstance(content, str) else content
    if not isinstance(path, Path):
        with as_os_errors(path):
            path.write_bytes(raw)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def append(path: Folder, text: str) -> None:
    """Add `text` to a file, its folder made where it is missing. Raises OSError."""
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
        return
    before = b""
    with contextlib.suppress(FileNotFoundError):
        before = read_bytes(path)
    write_atomically(path, before + text.encode())


def remove(path: Folder) -> None:
    """Remove a file, if it is there. Raises OSError."""
    with as_os_errors(path), contextlib.suppress(FileNotFoundError):
        path.unlink()


def rename(path: Folder, name: str) -> None:
    """Give a file another name in its folder, whatever had that name. Raises OSError."""
    if isinstance(path, Path):
        path.replace(path.with_name(name))
        return
    write_atomically(path.with_name(name), read_bytes(path))
    remove(path)


def remove_tree(folder: Folder) -> None:
    """Remove a folder and all that is in it, as far as that can be done."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with contextlib.suppress(OSError), as_os_errors(folder):
        folder.fs.rm(folder.path, recursive=True)


def told(error: OSError) -> str:
    """Which file could not be read or written, and why; no number and no quotes."""
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


@contextlib.contextmanager
def as_os_errors(path: Folder) -> Iterator[None]:
    """Libraries of object stores have exceptions of their own for a network or an account that fails."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise type(error)(error.errno or errno.EIO, str(error) or type(error).__name__, str(path)) from error
        raise
    except Exception as error:  # botocore's, aiohttp's, ...
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}{next_step(error)}", str(path)) from error
