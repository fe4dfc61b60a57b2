"""Files on a disk or in an object store: named alike, read alike, written whole or not at all. No torch.

A `Folder` is a `Path`, or where text has a protocol (`s3://bucket/results`) a `UPath`, which does what a Path does.
Object stores have no folders, no renaming and no appending; one object is their atomic write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard
from urllib.parse import unquote_to_bytes

from fsm_icl.results.aws_errors import next_step

if TYPE_CHECKING:
    from upath import UPath

    Folder: TypeAlias = Path | UPath


FETCHED_AT_ONCE = 256
"""Files of an object store that are fetched side by side."""
TEMPORARY = ".tmp"
"""Ends the name of a file that is being written. One that stays was a writer's that died."""


def as_folder(text: str | Folder) -> Folder:
    """What a command line calls a folder: a path, `~/...`, `file:///...` or a URI such as s3://bucket/results.

    Raises:
        ValueError: there is no such user, the protocol is unknown, or what it needs is not installed; the message says
            what would help.
    """
    if not isinstance(text, str):
        return text
    if text[:5].lower() == "file:":
        return _as_on_disk(_of_file_uri(text))
    if "://" not in text:
        return _as_on_disk(_of_path(text))
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


def on_this_machine(text: str) -> Path:
    """The folder or file of that name in this machine's file system. Raises ValueError as `as_folder`, or for a URI."""
    folder = as_folder(text)
    if not is_local(folder):
        raise ValueError(f"{text}: expected a path on this machine")
    return folder


def _of_path(text: str) -> Path:
    """A shell leaves the ~ of `--results=~/x` as it is."""
    try:
        return Path(text).expanduser() if text.startswith("~") else Path(text)
    except RuntimeError:
        raise ValueError(f"{text}: no such user; a folder of that name is ./{text}") from None


def _of_file_uri(text: str) -> Path:
    """`file:///a%20b` -> `/a b`. What a URI has behind # and ? is part of the path: files have no such parts."""
    path = text[5:]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        path = f"{slash}{rest}" if host.lower() in ("", "localhost") else ""
    if not path.startswith("/"):
        raise ValueError(f"{text}: expected file:///FOLDER, an absolute path on this machine")
    return Path(os.fsdecode(unquote_to_bytes(path)))


def refuse_dangling(path: Folder) -> None:
    """Raises ValueError where `path` is a link to what is not there, as to a disk that is not mounted."""
    if is_local(path) and path.is_symlink() and not path.exists():
        raise ValueError(f"{path} is a link to {os.readlink(path)}, which is not there")


def normal(name: str) -> str:
    """A name as it compares: a Mac writes é as an e and an accent, which is another name to other systems."""
    return unicodedata.normalize("NFC", name)


def _as_on_disk(path: Path) -> Path:
    """The path as the disk spells it, where it has one that reads the same."""
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        spelled = found / part
        if not part.isascii() and not os.path.lexists(spelled):
            with contextlib.suppress(OSError):
                same = sorted(name for name in os.listdir(found) if normal(name) == normal(part))
                spelled = found / (same or [part])[0]
        found = spelled
    return found


def is_local(folder: Folder) -> TypeGuard[Path]:
    """Whether it lies in the file system, a network's included."""
    return isinstance(folder, Path)


def read_bytes(path: Folder) -> bytes:
    """The file's content. Raises OSError, whatever library is behind it; FileNotFoundError where there is none."""
    with as_os_errors(path):
        return _read(path) if isinstance(path, Path) else path.read_bytes()


def _read(path: Path) -> bytes:
    """A regular file's content. Raises OSError on a pipe or a device, on which a reader would wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder; expected a file", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a pipe or a device; expected a file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as stream:
        return stream.read()


def exists(path: Folder) -> bool:
    """Whether there is such a file or folder. Raises OSError as `read_bytes`: no answer is not a no."""
    with as_os_errors(path):
        return path.exists()


def found(folder: Folder, pattern: str) -> list[Folder]:
    """Paths in `folder` that match, sorted by name. Raises OSError as `read_bytes`."""
    with as_os_errors(folder):
        if isinstance(folder, Path):
            return sorted(folder.glob(pattern), key=str)
        names = folder.fs.glob(f"{escape(folder.path)}/{pattern}")
        return sorted((folder / _below(name, folder) for name in names), key=str)


def read_all(folder: Folder, pattern: str) -> dict[Folder, bytes]:
    """Path -> content of all files that match, sorted by name. Raises OSError as `each_read`."""
    return dict(each_read(folder, pattern))


def each_read(folder: Folder, pattern: str) -> Iterator[tuple[Folder, bytes]]:
    """Path and content of all files that match, sorted by name, few at a time in memory.

    Those of an object store are fetched side by side.

    Raises:
        OSError: as `read_bytes`; a file that goes away meanwhile is left out.
    """
    paths = found(folder, pattern)
    if isinstance(folder, Path):
        yield from _present(paths)
        return
    for begin in range(0, len(paths), FETCHED_AT_ONCE):
        yield from _fetched(folder, paths[begin : begin + FETCHED_AT_ONCE])


def _fetched(folder: UPath, paths: list[Folder]) -> list[tuple[Folder, bytes]]:
    with as_os_errors(folder):
        # Not fs.cat, which asks for each file once more whether it is there.
        contents: list[Any] = folder.fs.cat_ranges([str(path) for path in paths], None, None, on_error="return")
        for failure in (c for c in contents if isinstance(c, Exception)):
            if not isinstance(failure, FileNotFoundError):
                raise failure
    return [(path, c) for path, c in zip(paths, contents, strict=True) if isinstance(c, bytes)]


def children(folder: Folder) -> list[Folder]:
    """What lies in a folder, nothing where there is none. Raises OSError as `read_bytes`."""
    with as_os_errors(folder):
        try:
            return list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):  # which of the two depends on the library
            return []


def _present(paths: Iterable[Folder]) -> Iterator[tuple[Folder, bytes]]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield path, read_bytes(path)


def modified(folder: Folder, pattern: str) -> dict[Folder, float]:
    """Path -> Unix seconds of its last change, of all files that match. Raises OSError as `read_bytes`."""
    times: dict[Folder, float] = {}
    with as_os_errors(folder):
        if not isinstance(folder, Path):  # one listing; asking for each file would take minutes
            infos = folder.fs.glob(f"{escape(folder.path)}/{pattern}", detail=True)
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
    # Process ids are no use: several hosts, or containers, may share the folder.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        with temporary.open("wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Let a rename outlast a power cut. Some network file systems can't; there the file's own sync has to do."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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


def os_error_text(error: OSError) -> str:
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
