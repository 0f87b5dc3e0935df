"""The rows of a table as one Parquet, the recording, and the identity of a table's content.

A recording has CBS's columns, all text, trimmed, in the order of CBS's rows; the number of a row
(``ID``, in v4 ``Id``) is left out. That of v3 is wide: a column a dimension and a topic, as the
metadata tells. That of v4 is long: a column a dimension, and those in ``FIGURE``. It is a working
file: it follows from the archived pages.

Belongs here: pages to a recording, and comparing two answers of CBS.
Does not belong here: what the text means (``observations``), keeping pages (``archive``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from monitor.cbs.failures import CbsFault
from monitor.cbs.metadata import Row, TableMeta, group_path
from monitor.errors import TableError

ROW_ID = "ID"
VALUE = "Value"
FIGURE = ("Measure", "ValueAttribute", VALUE, "StringValue")
"""The columns of a v4 row beside its dimensions: the topic, why a figure is missing (``None`` where
it is not), the figure, and the text of a topic that has text."""
_EXACT = pa.decimal128(18, 6)
"""What JSON's numbers are read as: digit by digit, not through a double."""
_CELLS_A_GROUP = 1_500_000
"""Cells in a row group: memory stays flat whether a table has 3 columns or 120."""
_NO_FIGURES = (".", "")
"""The usual texts among figures that are no number; others are looked at one by one."""
_EXACT_DIGITS = 15
"""Decimal digits that a double keeps apart (IEEE 754)."""

# Arrow's own allocator keeps what it was given; the system's takes it back, so memory stays flat.
pa.set_memory_pool(pa.system_memory_pool())

_Hashes = npt.NDArray[np.uint64]


class RecordingError(TableError):
    """Rows that don't have the columns or the form that the metadata tells."""

    explanation = "De rijen van de tabel passen niet bij de beschrijving die CBS erbij geeft."


class UnknownMarkError(TableError):
    """A cell that is neither a number nor a known mark of a missing value."""

    explanation = "In de tabel staat een teken of getal dat de monitor niet kan lezen."

    def __init__(self, table_id: str, row: str, topic: str, cell: str) -> None:
        super().__init__(
            table_id,
            f"row {row}, topic {topic}: {cell} is neither a number of at most 12 digits and 6 "
            "decimals nor a known mark of a missing value",
        )


class RowsChangedError(CbsFault):
    """The numbers of rows show that CBS changed the table between two pages of one fetch."""

    explanation = (
        "De rijen van de tabel veranderden tijdens het ophalen. De tabel wordt opnieuw opgehaald."
    )


def columns_of(meta: TableMeta) -> list[str]:
    """Return the columns of a recording: dimensions, then what a row tells, each by position."""
    dimensions = [dimension.key for dimension in meta.dimensions]
    return [*dimensions, *(FIGURE if meta.odata == "v4" else [t.key for t in meta.topics])]


class Rows(NamedTuple):
    """The rows of one page.

    Attributes:
        batch: the rows.
        low: sum of the lower halves of their hashes; ``high`` of the upper ones.
        ids: the lowest and the highest of CBS's numbers of rows; None where they have none.
        more: the page says that there is another one.
    """

    batch: pa.RecordBatch
    low: int
    high: int
    ids: tuple[int, int] | None
    more: bool


class RecordingWriter:
    """Writes pages of rows to a recording, in the order in which they are added.

    ``parse`` may run in several threads at once and leaves Python's lock; ``write`` may not. So
    parse pages in a pool while the next ones are fetched, and write the batches in page order.
    The bytes written don't depend on how the rows were cut into pages.

    Args:
        out: the file.
        meta: what the table says about itself.
        whole: nothing was selected, so row numbers that skip some tell of rows that moved.
    """

    def __init__(self, out: Path, meta: TableMeta, *, whole: bool = False) -> None:
        self._table_id = meta.table_id
        self._dimensions = [dimension.key for dimension in meta.dimensions]
        self._columns = columns_of(meta)
        self._fields = [(column, pa.string()) for column in self._columns]
        long = meta.odata == "v4"
        self._figures = {VALUE} if long else {topic.key for topic in meta.topics if topic.numeric}
        self._id, prefix, origin = ("Id", "@", "context") if long else (ROW_ID, "", "metadata")
        row = dict([(self._id, pa.int64()), *self._fields])
        if long:
            row[VALUE] = _EXACT
        self._more = f"{prefix}odata.nextLink"
        # The envelope's own fields; in rows as in envelopes anything else is an error.
        self._page = pa.schema(
            [
                (f"{prefix}odata.{origin}", pa.string()),
                (f"{prefix}odata.count", pa.int64() if long else pa.string()),
                ("value", pa.list_(pa.struct(list(row.items())))),
                (self._more, pa.string()),
            ]
        )
        self._whole = whole
        self._unbroken = True
        self._last: int | None = None
        self._group = min(122_880, _CELLS_A_GROUP // len(self._columns))
        self._pending: list[pa.RecordBatch] = []
        self._rows = self._written = self._low = self._high = 0
        self._file = pq.ParquetWriter(
            out,
            pa.schema(self._fields),
            compression="lz4",  # a working file: quick to write counts for more than small
            # figures hardly repeat: a dictionary of them costs time and makes the file larger
            write_statistics=False,
            use_dictionary=[column for column in self._columns if column not in self._figures],
        )

    def parse(self, page: bytes) -> Rows:
        """Read one page: JSON with its envelope, not compressed.

        Raises:
            RecordingError: a column is not in the metadata, is absent from the rows or is not
                text, or the page is not the JSON of rows.
            UnknownMarkError: a number of v4 that can't be kept exactly.
        """
        try:
            table = pj.read_json(
                pa.BufferReader(page),
                pj.ReadOptions(use_threads=False, block_size=max(len(page), 1) + 1),
                pj.ParseOptions(explicit_schema=self._page, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid as problem:
            raise self._diagnose(page, problem) from problem
        if table.num_rows != 1 or not table["value"][0].is_valid:
            raise RecordingError(self._table_id, "a page without one list of rows, 'value'")
        rows = table["value"].chunk(0).flatten()
        # The cheaper function where it does the same: no-break spaces are not ASCII.
        plain = page.isascii() and b"\\" not in page
        trim = pc.ascii_trim_whitespace if plain else pc.utf8_trim_whitespace
        columns = []
        for name in self._columns:
            column = rows.field(name)
            if column.null_count:
                self._require(name, page, len(rows))
            columns.append(trim(column) if pa.types.is_string(column.type) else _digits(column))
        batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(self._fields))
        ids = pc.min_max(rows.field(self._id)).as_py()
        return Rows(
            batch,
            *_hashed(batch, self._figures),
            None if ids["min"] is None else (ids["min"], ids["max"]),
            bool(table[self._more][0].as_py()),
        )

    def write(self, rows: Rows) -> int:
        """Append the rows of one parsed page; returns how many.

        Raises:
            RowsChangedError: their numbers don't go on where those of the page before ended.
        """
        self._check_ids(rows)
        self._pending.append(rows.batch)
        self._rows += rows.batch.num_rows
        self._low += rows.low
        self._high += rows.high
        while self._rows - self._written >= self._group:
            self._flush(self._group)
        return int(rows.batch.num_rows)

    @property
    def digest(self) -> str:
        """Number and sum of the rows' hashes: the same in any order, other with a row twice."""
        return f"{self._rows} {self._low} {self._high}"

    def add(self, page: bytes) -> int:
        """Parse and write one page; returns its number of rows."""
        return self.write(self.parse(page))

    def close(self) -> int:
        """Finish the file; returns the number of rows in it."""
        if self._file.is_open:
            if self._rows > self._written:
                self._flush(self._rows - self._written)
            self._file.close()
        return self._rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_ids(self, rows: Rows) -> None:
        """Refuse rows that come twice, or are skipped, at the border of two pages.

        Numbers go up from page to page. Those of a whole table have no gaps, as far as its pages so
        far showed. A selection may be asked in parts, and each part begins anew: a part ends at a
        page that names no next one.
        """
        if rows.ids is None:
            return
        lowest, highest = rows.ids
        self._unbroken &= self._whole and highest - lowest + 1 == rows.batch.num_rows
        if self._last is not None and (
            lowest <= self._last or (self._unbroken and lowest != self._last + 1)
        ):
            raise RowsChangedError(
                self._table_id,
                f"after row {self._last} of a page the next one begins with row {lowest}: the "
                "table changed while it was fetched. It will be asked again.",
            )
        self._last = highest if self._whole or rows.more else None

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self._pending)
        # Combined, because the file's inner pages would follow the chunks otherwise.
        self._file.write_table(table.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._pending = table.slice(rows).to_batches()
        self._written += rows

    def _require(self, column: str, page: bytes, rows: int) -> None:
        """Tell a null that CBS wrote from a column that is not in the rows."""
        name = column.encode()
        if (
            page.count(b'"%s":' % name)
            < rows
            > len(re.findall(rb'"%s"\s*:' % re.escape(name), page))
        ):
            raise RecordingError(self._table_id, f"column {column} vanished from the rows")

    def _diagnose(self, page: bytes, problem: Exception) -> TableError:
        """Find what pyarrow refused, to name the row and the column."""
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            for row in json.loads(page, parse_int=Decimal, parse_float=Decimal)["value"]:
                key = "|".join(str(row.get(column)).strip() for column in self._dimensions)
                for column, cell in row.items():
                    if column == self._id:
                        continue
                    if column not in self._columns:
                        return RecordingError(
                            self._table_id, f"unexpected column {column} in row {key}"
                        )
                    if self._page.field("value").type.value_type.field(column).type == _EXACT:
                        if cell is not None and not _is_exact(cell):
                            topic = str(row.get("Measure"))
                            return UnknownMarkError(self._table_id, key, topic, str(cell))
                    elif not isinstance(cell, str | None):
                        return RecordingError(
                            self._table_id, f"row {key}: {column} is {cell}, not text"
                        )
        return RecordingError(self._table_id, f"a page that can't be read as rows: {problem}")


def _digits(numbers: pa.Array) -> pa.Array:
    """Return numbers as text without zeros that say nothing: ``13.9``, ``100``."""
    return pc.utf8_rtrim(pc.utf8_rtrim(pc.cast(numbers, pa.string()), "0"), ".")


def _is_exact(cell: object) -> bool:
    """Tell whether ``_EXACT`` holds a number of JSON."""
    if not isinstance(cell, Decimal):
        return False
    short = cell.normalize()
    exponent = short.as_tuple().exponent
    return not short or (short.adjusted() < 12 and isinstance(exponent, int) and exponent >= -6)


def identity(rows: str, meta: TableMeta, entities: Mapping[str, Sequence[Row]]) -> str:
    """Return the SHA-256 (64 hex digits) of a table's content: what CBS says, however it says it.

    Content is the rows, the members of the dimensions and DataProperties (v4: Dimensions and
    MeasureCodes). What makes no difference: the order of rows and of keys in a row, padding, row
    numbers (``ID``, ``Index`` and references to them), the spelling of equal numbers
    (13.9 = 13.90), null or blank, addresses, and TableInfos (v4: Properties).

    Args:
        rows: ``RecordingWriter.digest`` of all rows.
        meta: what the table says about itself; must belong to ``entities``.
        entities: the rows that describe the table, by name; see ``metadata.build_meta``.
    """
    digest = hashlib.sha256()
    described = ["DataProperties"] if meta.odata == "v3" else ["Dimensions", "MeasureCodes"]
    groups = {row.get("Id"): row for row in entities.get("MeasureGroups", ())}
    for name in sorted([*described, *(dimension.key for dimension in meta.dimensions)]):
        by_id = groups if meta.odata == "v4" else {row.get(ROW_ID): row for row in entities[name]}
        digest.update(name.encode())
        for row in sorted(_canonical(row, group_path(row, by_id)) for row in entities[name]):
            digest.update(row.encode())
    digest.update(rows.encode())
    return digest.hexdigest()


_REFERENCES = frozenset(
    {ROW_ID, "ParentID", "CategoryGroupID"}
    | {"Index", "MeasureGroupId", "DimensionGroupId", "CodesUrl", "GroupsUrl"}
)
"""Numbers and addresses that move without a change of content."""


def _canonical(row: Row, path: tuple[str, ...]) -> str:
    """Return one spelling of a metadata row; instead of numbers of groups stand their titles."""
    kept: dict[str, Any] = {
        key: value.strip() if isinstance(value, str) else value
        for key, value in row.items()
        if key not in _REFERENCES and value not in (None, "") and "odata." not in key
    }
    return json.dumps([kept, path], sort_keys=True, ensure_ascii=False)


def _hashed(batch: pa.RecordBatch, figures: AbstractSet[str]) -> tuple[int, int]:
    """Return the sum of the rows' hashes in two halves, because that of many would not fit."""
    hashes = np.zeros(batch.num_rows, np.uint64)
    for name in batch.schema.names:
        column = pc.fill_null(batch.column(name), "")
        found = _figure_hashes(column) if name in figures else _text_hashes(column)
        hashes += _mixed(found ^ np.uint64(_text_hash(name)))
    hashes = _mixed(hashes)
    return int((hashes & np.uint64(0xFFFF_FFFF)).sum()), int((hashes >> np.uint64(32)).sum())


def _figure_hashes(column: pa.Array) -> _Hashes:
    """Return a hash a cell: one for all spellings of a number (13.9 = 13.90 = 013.9, -0 = 0).

    Up to 15 digits a double tells numbers apart; longer ones and what is no number go one by one.
    """
    none = {text: pc.equal(column, text) for text in _NO_FIGURES}
    texts = column
    for where in none.values():
        if where.true_count:
            texts = pc.if_else(where, "0", texts)
    numbers = None
    if (pc.max(pc.binary_length(texts)).as_py() or 0) <= _EXACT_DIGITS:
        with suppress(pa.ArrowInvalid):
            numbers = pc.cast(texts, pa.float64()).to_numpy()
    if numbers is None:
        return np.array([_figure_hash(text) for text in column.to_pylist()], np.uint64)
    hashes: _Hashes = (numbers + 0.0).view(np.uint64)  # + 0.0 makes -0.0 and 0.0 one
    for text, where in none.items():
        if where.true_count:
            hashes[where.to_numpy(zero_copy_only=False)] = _text_hash(text)
    return hashes


def _figure_hash(text: str) -> int:
    number = re.fullmatch(r"(?=.*\d)(-?)0*(\d*?)(?:\.(\d*?)0*)?", text)
    if number is None:
        return _text_hash(text)
    sign, whole, fraction = number.group(1), number.group(2), number.group(3) or ""
    if len(whole) + len(fraction) <= _EXACT_DIGITS:
        return int(np.float64(float(f"{sign}{whole or 0}.{fraction}") + 0.0).view(np.uint64))
    return _text_hash(f"{sign}{whole}.{fraction}")


def _text_hashes(column: pa.Array) -> _Hashes:
    """Return a hash a cell; texts repeat, so each is hashed once."""
    coded = column.dictionary_encode()
    hashes = np.array([_text_hash(text) for text in coded.dictionary.to_pylist()], np.uint64)
    found: _Hashes = hashes[coded.indices.to_numpy()]
    return found


@lru_cache(maxsize=1 << 16)
def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _mixed(x: _Hashes) -> _Hashes:
    """Spread each bit over all (the finaliser of splitmix64; Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def quoted(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
