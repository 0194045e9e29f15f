"""What is built once per user and kept by content: found again, or made whole, or not at all."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


def build_once(target: Path, build: Callable[[Path, Path, Path], None]) -> Path:
    """`target`, made by `build(work folder, folder to fill, log)` unless it is there already.

    It appears whole or not at all, whoever else builds it at the same time; the log stays beside
    it when the build fails.
    """
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as name:
        done = Path(name) / "done"
        done.mkdir()
        log = target.with_suffix(".log")
        build(Path(name), done, log)
        try:
            done.rename(target)
        except OSError:  # another process was faster; its result is the same
            if not target.is_dir():
                raise
        log.unlink(missing_ok=True)
    return target


def digest(*parts: object) -> str:
    """32 hex digits over texts, and over names and contents of files; a part may be several."""
    sha256 = hashlib.sha256()
    for part in parts:
        items = [part] if isinstance(part, str) or not isinstance(part, Iterable) else part
        sha256.update(b"part")
        for item in items:
            text = str(item).encode()
            if isinstance(item, Path):  # the name counts too: Verilator finds modules by it
                text = item.name.encode() + b"\0" + item.read_bytes()
            sha256.update(len(text).to_bytes(8, "little") + text)
    return sha256.hexdigest()[:32]
