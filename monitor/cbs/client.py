"""Asking CBS's OData, v3 and v4, over HTTP.

Belongs here: hosts and addresses, one request and what can be wrong with its answer.
Does not belong here: retries and how much is asked at once (``persistence``), the order of pages
(``pages``), parts of tables (``selection``), which tables are asked and from where (``sources``),
keeping what was answered (``archive``), reading rows (``recording``).

What is one page in v3 (the list of tables, TableInfos) comes through the public functions of the
package cbsodata. All else comes through a loop of our own: cbsodata asks without compression or
retries, begins anew if one page of many fails, follows any nextLink and keeps a table in memory.
"""

from __future__ import annotations

import gzip
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Condition
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import cbsodata
import requests
import urllib3

from monitor.cbs.failures import (
    BrokenPage,
    CbsFault,
    ForeignNextLink,
    NoMarks,
    NoObservations,
    NotOffered,
    ServiceBusy,
    ServiceError,
    Unreachable,
)
from monitor.cbs.metadata import OBSERVATIONS, ROWS
from monitor.cbs.pages import Page, PageLoop, odata_error, unpacked
from monitor.cbs.persistence import Persistence
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Host = Literal["cbs", "derden"]
"""CBS's own tables, or those of third parties that CBS publishes (RIVM, police, Iv3)."""

HOSTS: Mapping[Host, str] = {
    "cbs": "https://opendata.cbs.nl",
    "derden": "https://dataderden.cbs.nl",
}
HOST_4 = "https://datasets.cbs.nl"
"""Where OData v4 is."""

CONNECT_SECONDS = 10.0
TIMEOUT = 60.0
"""Seconds of silence after which an answer is given up; at first that is sooner."""
RETRIES = 15
"""How often a passing fault is asked again; see ``persistence`` for why so often."""
AT_ONCE = 4
"""Requests that are under way at any moment."""

_PASSING_STATUSES = (requests.codes.request_timeout, requests.codes.too_many_requests)
_T = TypeVar("_T")
_R = TypeVar("_R")


class Service:
    """CBS's OData, at CBS or at an address that takes its place (``monitor replay``).

    What it learns of a host (that it is down, how slow it is) it keeps: make one a run.

    Args:
        address: ``http://host:port`` to be asked instead of all of CBS's hosts.
        timeout: see ``TIMEOUT``.
        retries: see ``RETRIES``.
        at_once: see ``AT_ONCE``.
        sleep: waits a number of seconds; tests give another.
        clock: gives seconds that never run back; tests give another.

    Raises:
        UsageError: ``address`` is no http(s) address, or nothing may be asked.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        at_once: int = AT_ONCE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(address or "https://host")
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise UsageError(f"'{address}' is no address of a service: write http://host:port.")
        if at_once < 1:
            raise UsageError(f"{at_once} requests at once is too few: at least 1.")
        self._address = address and address.rstrip("/")
        self._at_once = at_once
        self._persistence = Persistence(
            timeout=timeout, retries=retries, at_once=at_once, sleep=sleep, clock=clock
        )

    def address(self, host: Host = "cbs") -> str:
        """Return what stands before ``/ODataFeed``."""
        return self._address or HOSTS[host]

    def address4(self) -> str:
        """Return what stands before ``/odata/v1``."""
        return self._address or HOST_4

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

        def read(page: bytes) -> list[dict[str, Any]]:
            rows = json.loads(page)["value"]
            if not isinstance(rows, list):
                raise BrokenPage(table_id, f"{name} has no list of rows, 'value'")
            return rows

        address = f"{self._feed(table_id, host)}/{quote(name)}?$format=json"
        return [row for _, rows in self.pages(table_id, [address], read) for row in rows]

    def rows_address(self, table_id: str, host: Host = "cbs") -> str:
        """Return where the rows of a table begin in v3."""
        return f"{self._feed(table_id, host)}/{ROWS}?$format=json"

    def _feed(self, table_id: str, host: Host) -> str:
        return f"{self.address(host)}/ODataFeed/odata/{quote(table_id)}"

    def json(self, table_id: str, address: str) -> dict[str, Any]:
        """Return the JSON object at an address.

        Raises:
            NotOffered: it is not there.
            CbsFault: no usable answer.
        """

        def read(_: bytes, body: bytes) -> dict[str, Any]:
            try:
                content = json.loads(body)
            except ValueError as error:
                raise BrokenPage(table_id, f"{error}: {address}") from error
            if not isinstance(content, dict):
                raise BrokenPage(table_id, f"the answer is not a JSON object: {address}")
            if "odata.error" in content or "error" in content:
                raise ServiceBusy(table_id, f"{odata_error(content)}: {address}")
            return content

        return self._get(table_id, address, read)

    def pages(
        self,
        table_id: str,
        addresses: Sequence[str],
        parse: Callable[[bytes], _T],
        *,
        had: Callable[[str], bytes | None] = lambda _: None,
        rows: int | None = None,
    ) -> Iterator[tuple[Page, _T]]:
        """Yield the pages of rows in order, each with what ``parse`` makes of its body.

        Args:
            table_id: CBS's identifier.
            addresses: where a chain of pages begins: one, or one a part of a selection.
            parse: reads the rows of a body, in any thread; raises TableError. A body that turns out
                to be no JSON is asked again.
            had: gives the gzipped page that an earlier fetch left of an address, in any thread: it
                is not asked. None for no such page.
            rows: the number of rows at ``addresses``, where CBS states it: then no page is asked
                in vain.

        Raises:
            NoMarks: the table has no UntypedDataSet.
            CbsFault: no usable answer, or pages that can't be trusted.
            TableError: from ``parse``.
        """

        def get(address: str, read: Callable[[bytes, bytes], _R], wanted: Callable[[], bool]) -> _R:
            return self._get(table_id, address, read, wanted)

        return PageLoop(table_id, get, parse, had, rows, self._at_once).run(addresses)

    def _get(
        self,
        table_id: str,
        address: str,
        read: Callable[[bytes, bytes], _T],
        wanted: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Return what ``read`` makes of an answer, gzipped and plain."""

        def attempt(session: requests.Session, patience: float) -> _T:
            return read(*_answer(session, table_id, address, patience))

        return self._persistence.ask(_host(address), table_id, attempt, wanted)

    def _ask_cbsodata(
        self, table_id: str, host: Host, function: Callable[..., Any], *arguments: str
    ) -> Any:
        scheme, _, catalogue = self.address(host).partition("://")
        name = urlsplit(self.address(host)).hostname
        what = " ".join((_host(self.address(host)), *arguments))

        def attempt(_: requests.Session, patience: float) -> Any:
            # cbsodata follows any nextLink. To every host but this one it gets no further than a
            # proxy that has no name, which ``requests`` refuses before it sends anything.
            own = cbsodata.options.requests.get("proxies") or {}
            proxies = {f"{way}://{name}": own.get(way) for way in ("http", "https")}
            try:
                with _SCHEME.lent(scheme == "https"):
                    return function(
                        *arguments,
                        catalog_url=catalogue,
                        timeout=(min(CONNECT_SECONDS, patience), patience),
                        proxies={**proxies, "all": "http://"},
                    )
            except requests.HTTPError as error:
                # cbsodata raises its own, made of the one that has the response.
                response = getattr(error.__cause__, "response", None)
                if response is None:
                    raise ServiceError(table_id, f"{error} ({what})") from error
                raise _refusal(table_id, response) from error
            except requests.exceptions.InvalidProxyURL as error:
                raise ForeignNextLink(table_id, f"a nextLink leaves {what}") from error
            except (KeyError, TypeError) as error:
                raise ServiceBusy(table_id, f"an odata.error with status 200 ({what})") from error
            except json.JSONDecodeError as error:
                raise BrokenPage(table_id, f"{error} ({what})") from error
            except (requests.RequestException, OSError) as error:
                raise _no_answer(table_id, what, error) from error

        return self._persistence.ask(_host(self.address(host)), table_id, attempt)


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


def _answer(
    session: requests.Session, table_id: str, address: str, patience: float
) -> tuple[bytes, bytes]:
    """Ask once; returns the body gzipped (the very bytes that came, if they were) and plain."""
    timeout = (min(CONNECT_SECONDS, patience), patience)
    try:
        # A redirect is not followed: it could lead to another host.
        with session.get(address, timeout=timeout, stream=True, allow_redirects=False) as response:
            # Not decoded: the archive keeps the bytes that came.
            body = response.raw.read(decode_content=False)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _no_answer(table_id, address, error) from error
    if response.status_code != requests.codes.ok:
        raise _refusal(table_id, response)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding == "identity":
        return gzip.compress(body, 1, mtime=0), body
    if encoding != "gzip":
        raise ServiceError(table_id, f"compression '{encoding}' was not asked: {address}")
    try:
        return body, unpacked(body)
    except ValueError as error:
        raise BrokenPage(table_id, f"{error}: {address}") from error


def _no_answer(table_id: str, what: str, error: Exception) -> CbsFault:
    broken = (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.JSONDecodeError,
        urllib3.exceptions.ProtocolError,  # while the body came: before it, requests has its own
    )
    kind = BrokenPage if isinstance(error, broken) else Unreachable
    return kind(table_id, f"{error}: {what}")


def _refusal(table_id: str, response: requests.Response) -> CbsFault:
    status, url = response.status_code, response.url
    if status == requests.codes.not_found:
        if urlsplit(url).path.endswith(f"/{ROWS}"):
            return NoMarks(
                table_id,
                f"there is no {ROWS}, and TypedDataSet does not tell a missing value's mark: {url}",
            )
        if urlsplit(url).path.endswith(f"/{OBSERVATIONS}"):
            return NoObservations(table_id, f"there are no {OBSERVATIONS}: {url}")
        return NotOffered(table_id, f"not found: {url}")
    if status < 500 and status not in _PASSING_STATUSES:
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


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2].lower()
