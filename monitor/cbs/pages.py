"""The pages of a table, in order, while others are on their way.

Belongs here: the page loop of OData v3 and v4, its envelope, what makes a page one of this table.
Does not belong here: sending (``client``), asking again (``persistence``), reading rows
(``recording``).

A page says where the next one is, and only what it says is followed. Where that is no more than the
same address with another ``$skip``, the pages after it are asked too while it is on its way; one
that turns out not to be the next is thrown away.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event, Semaphore
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit

from monitor.cbs.failures import BrokenPage, EndlessPages, ForeignNextLink, ServiceBusy
from monitor.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PARSERS = 2
"""Pages that are parsed at once."""
_HEAD = 4096
"""Bytes of a body in which its rows begin."""
_LARGEST_PAGE = 1 << 28
"""Bytes that are set apart for a page at the most, whatever it says of its own size."""
_ROWS_START = re.compile(rb'"value"\s*:\s*\[')
_NO_ROWS = re.compile(rb'"value"\s*:\s*\[\s*\]')
_SKIP = re.compile(r"(?<=[?&])((?:\$|%24)skip=)([0-9]{1,15})(?=&|$)", re.IGNORECASE)
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


@dataclass(frozen=True)
class Page:
    """One answer with rows.

    Attributes:
        address: where it was asked.
        packed: gzip of the body: the very bytes that came if the service compressed.
        next_link: address of the next page, on the same host, or None.
        digest: of the text of its rows; empty if it has none.
    """

    address: str
    packed: bytes
    next_link: str | None
    digest: bytes


class Get(Protocol):
    """Sends one request and asks again while ``read`` raises a passing fault."""

    def __call__(
        self, address: str, read: Callable[[bytes, bytes], _T], wanted: Callable[[], bool]
    ) -> _T:
        """Return what ``read`` makes of the gzipped and the plain body."""


class _Job(Generic[_T]):
    """A page that was asked; ``dropped`` once it is not wanted any more."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.dropped = Event()
        self.future: Future[tuple[Page, _T]]

    def drop(self) -> None:
        self.dropped.set()
        self.future.cancel()


class PageLoop(Generic[_T]):
    """The pages of one fetch.

    Args:
        table_id: for messages.
        get: asks for a page.
        parse: reads the rows of a body, in any thread; raises TableError.
        had: gives the gzipped page that an earlier fetch left of an address, or None.
        rows: the number of rows, where it is known: then no page is asked in vain.
        at_once: pages to ask ahead.
    """

    def __init__(
        self,
        table_id: str,
        get: Get,
        parse: Callable[[bytes], _T],
        had: Callable[[str], bytes | None],
        rows: int | None,
        at_once: int,
    ) -> None:
        self._table_id = table_id
        self._get = get
        self._parse = parse
        self._had = had
        self._rows = rows
        self._at_once = at_once
        self._most = at_once + _PARSERS
        self._parsing = Semaphore(_PARSERS)
        # What the pages were that came until now, in order.
        self._addresses: set[str] = set()
        self._digests: set[bytes] = set()

    def run(self, addresses: Sequence[str]) -> Iterator[tuple[Page, _T]]:
        """Yield the pages of the chains that begin at ``addresses``, in order.

        Raises:
            CbsFault: no usable answer, or pages that can't be trusted.
            TableError: from ``parse``.
        """
        begins = deque(addresses)
        following: deque[_Job[_T]] = deque()  # the first page of the chains after this one
        ahead: deque[_Job[_T]] = deque()  # the next pages of this chain
        pool = ThreadPoolExecutor(self._most)

        def ask(address: str) -> _Job[_T]:
            job: _Job[_T] = _Job(address)
            job.future = pool.submit(self._take, job)
            return job

        guess = True
        try:
            while begins or following:
                ahead.append(following.popleft() if following else ask(begins.popleft()))
                many = 1
                while ahead:
                    while begins and len(following) < self._at_once - 1:
                        following.append(ask(begins.popleft()))
                    page, parsed = self._next(ahead.popleft())
                    if ahead and ahead[0].address != page.next_link:
                        guess = guess and page.next_link is None
                        while ahead:
                            ahead.pop().drop()
                    if page.next_link and not ahead:
                        ahead.append(ask(page.next_link))
                    step = _step(page) if guess else 0
                    while step and len(ahead) < (many if self._rows is None else self._most):
                        address = _moved(ahead[-1].address, step)
                        if self._rows is not None and _skipped(address) >= self._rows:
                            break
                        ahead.append(ask(address))
                    many = min(2 * many, self._at_once)
                    yield page, parsed
        finally:
            for job in (*ahead, *following):
                job.drop()
            # Without waiting: what is under way is not wanted any more, and ends by itself.
            pool.shutdown(wait=False)

    def _next(self, job: _Job[_T]) -> tuple[Page, _T]:
        """Return the page whose turn it is."""
        page, parsed = job.future.result()
        if self._repeats(page):  # That could not be seen before the page before it came.
            page, parsed = self._take(job, again=True)
        self._addresses.add(page.address)
        if page.digest:
            self._digests.add(page.digest)
        return page, parsed

    def _take(self, job: _Job[_T], *, again: bool = False) -> tuple[Page, _T]:
        """Return the page that an earlier fetch left, or what the service gives."""
        kept = None if again else self._had(job.address)
        if kept is not None:
            # Whatever is wrong with it: then it is asked.
            with suppress(TableError, ValueError):
                page, body = self._read(job.address, kept, unpacked(kept))
                return page, self._parsed(body)
        strict = False
        while True:
            page, body = self._get(
                job.address,
                partial(self._read, job.address, strict=strict),
                lambda: not job.dropped.is_set(),
            )
            try:
                return page, self._parsed(body)
            except (TableError, ValueError):
                if strict or _is_json(body):
                    raise
            strict = True

    def _parsed(self, body: bytes) -> _T:
        with self._parsing:
            return self._parse(body)

    def _read(
        self, address: str, packed: bytes, body: bytes, *, strict: bool = False
    ) -> tuple[Page, bytes]:
        """Read a page's envelope; ``strict``: and see that all of it is JSON."""
        try:
            start, end, envelope = _envelope(body)
            if strict:
                json.loads(body)
        except ValueError as error:
            raise BrokenPage(self._table_id, f"not valid JSON ({error}): {address}") from error
        if "value" not in envelope:
            raise ServiceBusy(self._table_id, f"{odata_error(envelope)}: {address}")
        link = envelope.get("odata.nextLink") or envelope.get("@odata.nextLink")
        digest = b""
        if not _NO_ROWS.search(body, 0, _HEAD):
            digest = hashlib.blake2b(memoryview(body)[start:end], digest_size=16).digest()
        page = Page(address, packed, self._link(address, link), digest)
        if self._repeats(page):
            raise EndlessPages(self._table_id, f"a page that was had before: {address}")
        if page.next_link and not digest:
            raise EndlessPages(self._table_id, f"a page without rows says there is more: {address}")
        return page, body

    def _repeats(self, page: Page) -> bool:
        """Whether a page is one that was had before, or says that the next one is."""
        return (
            page.digest in self._digests
            or page.next_link == page.address
            or page.next_link in self._addresses
        )

    def _link(self, address: str, link: str | None) -> str | None:
        if not link:
            return None
        here, there = urlsplit(address), urlsplit(urljoin(address, link))
        if there.netloc.lower() != here.netloc.lower():
            raise ForeignNextLink(self._table_id, f"the nextLink {link} leaves {here.netloc}")
        return there._replace(scheme=here.scheme).geturl()


def odata_error(envelope: dict[str, Any]) -> str:
    """Return CBS's message in an answer without rows."""
    error = envelope.get("odata.error", envelope.get("error"))
    if error is None:
        return f"an answer without rows, with {', '.join(envelope) or 'nothing'}"
    message = error.get("message", error) if isinstance(error, dict) else error
    return f"CBS says: {message.get('value', message) if isinstance(message, dict) else message}"


def unpacked(packed: bytes) -> bytes:
    """Decompress gzip into room of the right size, which its last four bytes tell.

    Raises:
        ValueError: it is damaged.
    """
    size = int.from_bytes(packed[-4:], "little")
    try:
        body = zlib.decompress(packed, wbits=31, bufsize=max(1, min(size, _LARGEST_PAGE)))
        return body if len(body) == size else gzip.decompress(packed)
    except (zlib.error, EOFError, OSError) as error:
        raise ValueError(str(error)) from error


def _envelope(body: bytes) -> tuple[int, int, dict[str, Any]]:
    """Return where the rows of an answer begin and end, and the answer without them.

    The rows are read later, and faster.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    found = _ROWS_START.search(body, 0, _HEAD)
    start, end = found.end() if found else 0, body.rfind(b"]")
    envelope: object = None
    if found and end >= start:
        # A bracket after the rows makes this fail: then it is all read.
        with suppress(ValueError):
            envelope = json.loads(body[:start] + body[end:])
    if envelope is None:
        end = len(body)
        envelope = json.loads(body)
    if not isinstance(envelope, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - as json.loads
    return start, end, envelope


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _step(page: Page) -> int:
    """Return by how much the next page is skipped further, where nothing else differs; else 0."""
    link = page.next_link
    if not link or _without_skip(link) != _without_skip(page.address):
        return 0
    return max(0, _skipped(link) - _skipped(page.address))


def _without_skip(address: str) -> tuple[str, list[tuple[str, str]]]:
    parts = urlsplit(_SKIP.sub("", address))
    # The links of v3 spell "odata" in the path as "OData".
    return parts.path.lower(), sorted(parse_qsl(parts.query, keep_blank_values=True))


def _skipped(address: str) -> int:
    found = _SKIP.search(address)
    return int(found[2]) if found else 0


def _moved(address: str, step: int) -> str:
    return _SKIP.sub(lambda found: f"{found[1]}{int(found[2]) + step}", address)
