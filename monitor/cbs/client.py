"""Asking CBS's OData v3 service over HTTP, and getting through.

Belongs here: addresses, time-outs, retries, pages and their envelopes, ``$filter``.
Does not belong here: which tables are asked and from where (``sources``), keeping what was answered
(``archive``), reading rows (``recording``).

Metadata comes through the public functions of the package cbsodata. Rows come through a page loop
of our own: cbsodata asks without compression or retries, and keeps a whole table in memory.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import time
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Condition
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import cbsodata
import requests
import urllib3

from monitor.errors import TableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from monitor.cbs.metadata import TableMeta

Host = Literal["cbs", "derden"]
"""CBS's own tables, or those of third parties that CBS publishes (RIVM, police, Iv3)."""

HOSTS: Mapping[Host, str] = {
    "cbs": "https://opendata.cbs.nl",
    "derden": "https://dataderden.cbs.nl",
}
ROWS = "UntypedDataSet"
"""The entity that keeps the mark of a missing value: TypedDataSet makes every mark null."""

CONNECT_SECONDS = 10.0
LONGEST_PAUSE = 60.0
"""Seconds, also where CBS's Retry-After asks for more."""

_ROWS_START = re.compile(rb'"value"\s*:\s*\[')
_NO_ROWS = re.compile(rb'"value"\s*:\s*\[\s*\]')
_HEAD = 4096
"""Bytes of a body in which its rows begin."""
_LARGEST_PAGE = 1 << 28
"""Bytes that are set apart for a page at the most, whatever it says of its own size."""
_T = TypeVar("_T")


class CbsFault(TableError):  # noqa: N818 - what its kinds are called
    """CBS gave no usable answer. ``passing``: asking again may help."""

    passing: ClassVar[bool] = False
    pause: float | None = None
    """Seconds that CBS asks to wait, if it does."""


class Unreachable(CbsFault):
    """No connection, or no answer in time."""

    explanation = "CBS was niet bereikbaar of antwoordde niet op tijd."
    passing = True


class ServiceError(CbsFault):
    """CBS refused the request."""

    explanation = "CBS weigerde het verzoek om deze tabel."


class ServiceBusy(CbsFault):
    """CBS answered with an error that may pass: 429, 5xx, or ``odata.error`` with status 200."""

    explanation = "CBS meldde een storing."
    passing = True


class BrokenPage(CbsFault):
    """An answer that is cut off or is not JSON."""

    explanation = "CBS gaf een onvolledig of onleesbaar antwoord."
    passing = True


class NotOffered(CbsFault):
    """The service does not have the table."""

    explanation = "CBS biedt deze tabel niet (meer) aan."


class NoMarks(CbsFault):
    """The table has no UntypedDataSet."""

    explanation = "Van deze tabel is niet te zien waarom cijfers ontbreken."


class ForeignNextLink(CbsFault):
    """A page says that the next one is at another host."""

    explanation = "Het antwoord van CBS verwees naar een ander adres. Dat volgen we niet."


class EndlessPages(CbsFault):
    """The pages of a table don't come to an end."""

    explanation = "CBS bleef pagina's van deze tabel leveren. Er kwam geen einde aan."


class EmptyTable(CbsFault):
    """The answer is in order and has no rows."""

    explanation = "CBS gaf voor deze tabel geen enkele rij."


class UnknownSelection(CbsFault):
    """A selection names a dimension or code that the table does not have."""

    explanation = "De tabel heeft een gevraagde indeling of code niet (meer)."


@dataclass(frozen=True)
class Page:
    """One answer with rows.

    Attributes:
        packed: gzip of the body: the very bytes that came if the service compressed.
        body: the JSON text.
        next_link: address of the next page, on the same host, or None.
    """

    packed: bytes
    body: bytes
    next_link: str | None


class Service:
    """CBS's OData v3, at CBS or at an address that takes its place (``monitor replay``).

    Args:
        address: ``http://host:port`` to be asked instead of both of CBS's hosts.
        timeout: seconds of silence after which an answer is given up.
        retries: how often a passing fault is asked again, with a pause that doubles from a second.
        at_once: how many requests it gets at the same time, at most.
        sleep: waits a number of seconds; tests give another.

    Raises:
        UsageError: ``address`` is no http(s) address.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        at_once: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(address or "https://host")
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise UsageError(f"'{address}' is no address of a service: write http://host:port.")
        self._address = address and address.rstrip("/")
        self._timeout = (min(CONNECT_SECONDS, timeout), timeout)
        self._retries = retries
        self._at_once = at_once
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "gzip"

    def address(self, host: Host = "cbs") -> str:
        """Return what stands before ``/ODataFeed``."""
        return self._address or HOSTS[host]

    def tables(self, host: Host = "cbs") -> list[dict[str, Any]]:
        """Return the service's list of tables, a row each."""
        return list(self._ask_cbsodata("list of tables", host, cbsodata.get_table_list))

    def info(self, table_id: str, host: Host = "cbs") -> dict[str, Any]:
        """Return the row of TableInfos.

        Raises:
            NotOffered: the service does not have the table.
            CbsFault: it gave no usable answer.
        """
        info = self._ask_cbsodata(table_id, host, cbsodata.get_info, table_id)
        if info is None:
            raise NotOffered(table_id, f"TableInfos is empty at {self.address(host)}")
        return dict(info)

    def entity(self, table_id: str, name: str, host: Host = "cbs") -> list[dict[str, Any]]:
        """Return the rows of a metadata or dimension entity.

        Raises:
            NotOffered: the table or the entity is not there.
            CbsFault: no usable answer.
        """
        return list(self._ask_cbsodata(table_id, host, cbsodata.get_meta, table_id, name))

    def rows(
        self, table_id: str, parse: Callable[[bytes], _T], where: str = "", host: Host = "cbs"
    ) -> Iterator[tuple[Page, _T]]:
        """Yield the pages of UntypedDataSet in order, each with what ``parse`` makes of its body.

        Two threads parse while the next page is on its way. A page with rows that turn out to be no
        JSON is asked again.

        Args:
            table_id: CBS's identifier.
            parse: reads the rows of a body, in any thread; raises TableError.
            where: ``$filter``, from ``odata_filter``.
            host: where the table is published.

        Raises:
            NoMarks: the table has no UntypedDataSet.
            CbsFault: no usable answer, or pages that can't be trusted.
            TableError: from ``parse``.
        """
        url = f"{self.address(host)}/ODataFeed/odata/{quote(table_id)}/{ROWS}?$format=json"
        if where:
            url += f"&$filter={quote(where)}"
        with ThreadPoolExecutor(2) as pool:
            waiting: deque[tuple[str, Page, Future[_T]]] = deque()
            for at, page in self._pages(table_id, url):
                waiting.append((at, page, pool.submit(parse, page.body)))
                if len(waiting) > 6:
                    yield self._parsed(table_id, *waiting.popleft(), parse)
            while waiting:
                yield self._parsed(table_id, *waiting.popleft(), parse)

    def _pages(self, table_id: str, url: str) -> Iterator[tuple[str, Page]]:
        seen: set[str] = set()
        at: str | None = url
        while at:
            if at in seen:
                raise EndlessPages(table_id, f"the next page is one that was had before: {at}")
            seen.add(at)
            page = self._persist(lambda at=at: self._page(table_id, at))  # type: ignore[misc]
            yield at, page
            if page.next_link and _NO_ROWS.search(page.body, 0, _HEAD):
                raise EndlessPages(table_id, f"a page without rows says there is more: {at}")
            at = page.next_link

    def _parsed(
        self,
        table_id: str,
        url: str,
        page: Page,
        parsing: Future[_T],
        parse: Callable[[bytes], _T],
    ) -> tuple[Page, _T]:
        try:
            return page, parsing.result()
        except TableError:
            if _is_json(page.body):
                raise

        def again() -> tuple[Page, _T]:
            page = self._page(table_id, url)
            if not _is_json(page.body):
                raise BrokenPage(table_id, f"the rows are not valid JSON: {url}")
            return page, parse(page.body)

        return self._persist(again)

    def _page(self, table_id: str, url: str) -> Page:
        try:
            # A redirect is not followed: it could lead to another host.
            with self._session.get(
                url, timeout=self._timeout, stream=True, allow_redirects=False
            ) as response:
                # Not decoded: the archive keeps the bytes that came.
                body = response.raw.read(decode_content=False)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(table_id, url, error) from error
        if response.status_code != requests.codes.ok:
            raise _refusal(table_id, response, rows=True)
        encoding = response.headers.get("Content-Encoding", "identity")
        try:
            if encoding == "gzip":
                packed, body = body, _unpacked(body)
            elif encoding == "identity":
                packed = gzip.compress(body, 1, mtime=0)
            else:
                raise ServiceError(table_id, f"compression '{encoding}' was not asked: {url}")
            envelope = _envelope(body)
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise BrokenPage(table_id, f"{error}: {url}") from error
        if "value" not in envelope:
            raise ServiceBusy(table_id, f"{_odata_error(envelope)}: {url}")
        return Page(packed, body, self._next(table_id, url, envelope.get("odata.nextLink")))

    @staticmethod
    def _next(table_id: str, url: str, link: str | None) -> str | None:
        if not link:
            return None
        here, there = urlsplit(url), urlsplit(urljoin(url, link))
        if there.netloc.lower() != here.netloc.lower():
            raise ForeignNextLink(table_id, f"the nextLink {link} leaves {here.netloc}")
        return there._replace(scheme=here.scheme).geturl()

    def _ask_cbsodata(
        self, table_id: str, host: Host, function: Callable[..., Any], *arguments: str
    ) -> Any:
        scheme, _, catalogue = self.address(host).partition("://")
        what = " ".join((catalogue, *arguments))

        def ask() -> Any:
            try:
                with _SCHEME.lent(scheme == "https"):
                    return function(*arguments, catalog_url=catalogue, timeout=self._timeout)
            except requests.HTTPError as error:
                # cbsodata raises its own, made of the one that has the response.
                response = getattr(error.__cause__, "response", None)
                if response is None:
                    raise ServiceError(table_id, f"{error} ({what})") from error
                raise _refusal(table_id, response) from error
            except (KeyError, TypeError) as error:
                raise ServiceBusy(table_id, f"an odata.error with status 200 ({what})") from error
            except json.JSONDecodeError as error:
                raise BrokenPage(table_id, f"{error} ({what})") from error
            except (requests.RequestException, OSError) as error:
                raise _no_answer(table_id, what, error) from error

        return self._persist(ask)

    def _persist(self, ask: Callable[[], _T]) -> _T:
        """Ask until there is an answer, a fault that does not pass, or no retry left."""
        for attempt in range(self._retries):
            try:
                return ask()
            except CbsFault as fault:
                if not fault.passing:
                    raise
                # Jitter: programs that failed together must not come back together.
                pause = 2.0**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - not cryptography
                self._sleep(min(LONGEST_PAUSE, pause if fault.pause is None else fault.pause))
        try:
            return ask()
        except CbsFault as fault:
            if fault.passing and self._retries:
                fault.args = (f"{fault} (asked {self._retries + 1} times)",)
            raise


def odata_filter(select: Mapping[str, Sequence[str]]) -> str:
    """Return ``$filter`` for keys as CBS pads them (see ``source_keys``); '' for no selection."""
    return " and ".join(
        "(" + " or ".join(f"{dimension} eq '" + key.replace("'", "''") + "'" for key in keys) + ")"
        for dimension, keys in sorted(select.items())
    )


def source_keys(meta: TableMeta, select: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return a selection with each trimmed code as the table spells it, blanks included.

    The width differs a dimension and a table, and a filter with another width finds nothing.

    Raises:
        UnknownSelection: the table does not have the dimension or a code.
    """
    dimensions = {dimension.key: dimension.members for dimension in meta.dimensions}
    keys: dict[str, tuple[str, ...]] = {}
    for dimension, codes in select.items():
        if dimension not in dimensions:
            raise UnknownSelection(
                meta.table_id,
                f"no dimension '{dimension}' to select on; it has {', '.join(dimensions)}",
            )
        members = dimensions[dimension]
        missing = [code for code in codes if code not in members]
        if missing or not codes:
            what = f"no member {', '.join(missing)}" if missing else "nothing selected"
            raise UnknownSelection(meta.table_id, f"{what} in dimension '{dimension}'")
        keys[dimension] = tuple(members[code].source_key for code in codes)
    return keys


class _Scheme:
    """cbsodata's one global switch between http and https, for many threads.

    Threads that want the same hold it together, those that want the other wait, and the last one
    out puts back what it found.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._users = 0
        self._found = True

    @contextmanager
    def lent(self, https: bool) -> Iterator[None]:
        options = cbsodata.options
        with self._condition:
            self._condition.wait_for(lambda: not self._users or options.use_https == https)
            if not self._users:
                self._found = options.use_https
                options.use_https = https
            self._users += 1
        try:
            yield
        finally:
            with self._condition:
                self._users -= 1
                if not self._users:
                    options.use_https = self._found
                    self._condition.notify_all()


_SCHEME = _Scheme()


def _envelope(body: bytes) -> dict[str, Any]:
    """Return an answer without its rows, which are read later and faster.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    start = _ROWS_START.search(body, 0, _HEAD)
    end = body.rfind(b"]")
    envelope: object = None
    if start and end >= start.end():
        try:
            envelope = json.loads(body[: start.end()] + body[end:])
        except ValueError:
            envelope = None  # A bracket after the rows: read it all.
    if envelope is None:
        envelope = json.loads(body)
    if not isinstance(envelope, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - as json.loads
    return envelope


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _odata_error(envelope: Mapping[str, Any]) -> str:
    error = envelope.get("odata.error")
    message = error.get("message") if isinstance(error, dict) else None
    text = message.get("value") if isinstance(message, dict) else None
    return f"odata.error '{text}'" if text else "an answer without rows"


def _unpacked(packed: bytes) -> bytes:
    """Decompress gzip into room of the right size, which its last four bytes tell."""
    size = int.from_bytes(packed[-4:], "little")
    body = zlib.decompress(packed, wbits=31, bufsize=max(1, min(size, _LARGEST_PAGE)))
    return body if len(body) == size else gzip.decompress(packed)


def _no_answer(table_id: str, what: str, error: Exception) -> CbsFault:
    broken = (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.JSONDecodeError,
        urllib3.exceptions.ProtocolError,  # while the body came: before it, requests has its own
    )
    kind = BrokenPage if isinstance(error, broken) else Unreachable
    return kind(table_id, f"{error}: {what}")


def _refusal(table_id: str, response: requests.Response, *, rows: bool = False) -> CbsFault:
    status, url = response.status_code, response.url
    if status == requests.codes.not_found:
        if rows:
            return NoMarks(
                table_id,
                f"there is no {ROWS}, and TypedDataSet does not tell a missing value's mark: {url}",
            )
        return NotOffered(table_id, f"not found: {url}")
    if status != requests.codes.too_many_requests and status < 500:
        return ServiceError(table_id, f"status {status}: {url}")
    busy = ServiceBusy(table_id, f"status {status}: {url}")
    busy.pause = _retry_after(response.headers.get("Retry-After"))
    return busy


def _retry_after(header: str | None) -> float | None:
    """Read the header's seconds or moment; None where it says neither."""
    if header is None:
        return None
    try:
        if header.strip().isdecimal():
            return float(header)
        moment = parsedate_to_datetime(header)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
