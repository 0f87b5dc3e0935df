"""Parquet files that repeat byte for byte, made again only when what they come from changed.

Belongs here: writing a file in one step, its fingerprint, and comparing that before reuse.
Does not belong here: what is in the files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stored:
    """A file of the store, the hash of its bytes, and whether this run had to make it."""

    path: Path
    sha256: str
    built: bool


def keep(out: Path, made_from: Mapping[str, str], build: Callable[[Path], object]) -> Stored:
    """Return ``out``, built by ``build`` unless it was already made from exactly these inputs.

    Args:
        out: the file.
        made_from: name -> fingerprint of everything that ``build`` reads, the code included.
        build: writes the file at the path it is given (a temporary one beside ``out``).
    """
    note = out.with_suffix(".json")
    made_from = dict(sorted(made_from.items()))
    if is_kept(out, made_from):
        return Stored(out, known_sha256(out), built=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        build(temporary)
        sha256 = file_sha256(temporary)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    text = {"made_from": made_from, "sha256": sha256, "size": out.stat().st_size}
    write_note(note, text)
    return Stored(out, sha256, built=True)


def is_kept(out: Path, made_from: Mapping[str, str]) -> bool:
    """Tell whether ``out`` is there and was made from exactly these inputs."""
    known = read_note(out.with_suffix(".json"))
    return (
        known is not None
        and out.exists()
        and known.get("made_from") == dict(made_from)
        and known.get("size") == out.stat().st_size
    )


def known_sha256(path: Path) -> str:
    """Return a file's hash; the note beside it saves reading a large file again."""
    known = read_note(path.with_suffix(".json"))
    if known is not None and known.get("size") == path.stat().st_size:
        return str(known["sha256"])
    return file_sha256(path)


def read_note(path: Path) -> dict[str, Any] | None:
    """Return a JSON note, or None where there is none that can be read."""
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a JSON note in one step, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, json.dumps(note, indent=1, ensure_ascii=False).encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Put a file's new content in its place in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_fingerprint() -> str:
    """Return a fingerprint of the package's own code; other code may make other figures."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
