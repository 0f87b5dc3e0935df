"""The files of a folder of recordings: gzipped JSON, with rows or one object.

Belongs here: reading the rows of such a file one by one, whatever its size; reading an object.
Does not belong here: what the rows mean, and which files a table has (``sources``, ``replay``).
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.errors import MonitorError

_BLOCK = 1 << 22
_BETWEEN = re.compile(r"[\s,]*")
_START = re.compile(
    r"""\s*(?:\{\s*(?:"[^"]*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[0-9]+)\s*,\s*)*"value"\s*:\s*)?\["""
)
"""What stands before the first row: a bracket, or the head of an envelope."""


class RowFileError(MonitorError):
    """A file that is not a gzipped JSON array of rows, or is damaged."""


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row of a recording as its own JSON text, on one line, and decoded.

    The file is an array of rows, or an answer of CBS whose ``value`` is that array.
    The text is passed on as it was recorded, so that no number changes its spelling.

    Raises:
        RowFileError: naming the file and what is wrong with it.
    """
    decode = json.JSONDecoder().raw_decode
    name = f"{path.parent.name}/{path.name}"
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            text = file.read(_BLOCK)
            start = _START.match(text)
            if start is None:
                raise RowFileError(f"{name} is not a recording: a JSON array of rows is expected.")
            at = start.end()
            while True:
                between = _BETWEEN.match(text, at)
                at = between.end() if between else at
                if text.startswith("]", at):
                    return
                try:
                    row, end = decode(text, at)
                except json.JSONDecodeError as error:
                    more = file.read(_BLOCK)
                    if not more:
                        raise RowFileError(f"{name} is damaged: {error}.") from error
                    text, at = text[at:] + more, 0
                    continue
                if not isinstance(row, dict):
                    raise RowFileError(f"{name} is not a recording: {text[at:end]} is not a row.")
                # A line break inside a row can only be layout: inside text JSON escapes it.
                yield text[at:end].replace("\r", " ").replace("\n", " "), row
                at = end
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise RowFileError(f"{name} can't be read: {error}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return a recording that is one object, such as v4's Properties (or an array with only that).

    Raises:
        RowFileError: naming the file and what is wrong with it.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RowFileError(f"{name} can't be read: {error}.") from error
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise RowFileError(f"{name} is not a recording: a JSON object is expected.")
    return content
