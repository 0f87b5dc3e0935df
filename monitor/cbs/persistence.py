"""How a host is asked: not too much at once, again if that may help, and no more once it is down.

Belongs here: requests at once, retries and their pauses, patience, the circuit breaker.
Does not belong here: what is asked and whether an answer is good (``client``, ``pages``): a fault
says of itself whether it may pass.

The numbers, with the defaults of 15 retries and 60 seconds:

- Were each of eight faults to befall 5 % of all requests, a third of the attempts would fail, and
  16 in a row once in 35 million requests.
- A request also stops after 5 attempts if its host gave nothing else for 100 seconds. An answer
  that never comes is waited for 4, 8, 16, 32 and 60 seconds: two minutes, and such a row of five
  would befall one in a million requests at 5 %.
- After a request that was given up the next one is on trial: 3 attempts, of 4 seconds each, or as
  many as fit in 12 seconds. If it is given up too the host is down, and for five minutes nothing
  is sent. So a dead host costs a run 140 seconds at most, whatever the number of tables; one that
  refuses connections or answers 503 at once, 110. Only a host that asks for longer pauses
  (Retry-After) gets them: six.
"""

from __future__ import annotations

import random
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from queue import LifoQueue
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import requests

from monitor.cbs.failures import CbsFault, HostGivenUp, ServiceBusy, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_PATIENCE = 4.0
"""Seconds to wait for an answer at first: doubled each time that none came, up to ``timeout``."""
FIRST_PAUSE = 0.25
"""Seconds before the first retry: doubled each time, up to LONGEST_BACK_OFF."""
LONGEST_BACK_OFF = 8.0
LONGEST_PAUSE = 60.0
"""Seconds, also where CBS's Retry-After asks for more."""
ENOUGH_ATTEMPTS = 5
ENOUGH_SECONDS = 100.0
"""A request is given up after so many attempts if its host gave nothing usable for so long."""
TRIAL_ATTEMPTS = 3
TRIAL_SECONDS = 12.0
"""The same, of a request that follows one that was given up."""
COOL_DOWN = 300.0
"""Seconds that nothing is sent to a host that is down."""
_SLOWER = 4.0
"""So much slower than its slowest answer until now may a host be before it counts as silent."""
_T = TypeVar("_T")


@dataclass
class _Host:
    """What is known of a host: times by the clock of ``Persistence``."""

    given_up: int = 0
    """Successive requests that failed after all their retries; 2: it is down."""
    down_until: float = 0.0
    heard: float = float("-inf")
    slowest: float = 0.0


class Persistence:
    """Asks hosts until they answer, or are given up. For many threads.

    Args:
        timeout: the longest patience, in seconds.
        retries: how often a passing fault is asked again.
        at_once: the number of requests under way at any moment.
        sleep: waits a number of seconds.
        clock: seconds that never run back.
    """

    def __init__(
        self,
        *,
        timeout: float,
        retries: int,
        at_once: int,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._lock = Lock()
        # Who holds a session may send a request: no session is ever used by two threads.
        self._sessions: LifoQueue[requests.Session] = LifoQueue()
        for _ in range(at_once):
            session = requests.Session()
            session.headers["Accept-Encoding"] = "gzip"
            self._sessions.put(session)

    def ask(
        self,
        host: str,
        table_id: str,
        attempt: Callable[[requests.Session, float], _T],
        wanted: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Return what ``attempt`` gives.

        Args:
            host: whom it asks.
            table_id: the table that it is about.
            attempt: asks once, with this session and so many seconds of patience.
            wanted: whether an answer is still of use.

        Raises:
            HostGivenUp: the host is down; nothing was sent.
            CbsFault: a fault that does not pass, or did not.
            CancelledError: the answer is not wanted any more.
        """
        state = self._hosts.setdefault(host, _Host())
        silences = 0
        for number in count(1):
            with self._session() as session:
                if number == 1:
                    start = self._clock()
                    doubted, probing = self._begin(state, table_id, host)
                elif self._is_down(state) and not probing:
                    raise HostGivenUp(table_id, f"{host} went down; asked {number - 1} times")
                if not wanted():
                    raise CancelledError
                patience = self._patience(state, number, 0 if doubted else silences)
                begun = self._clock()
                try:
                    answer = attempt(session, patience)
                except CbsFault as error:
                    fault = error
                    silences += self._clock() - begun > 0.9 * patience
                    if not isinstance(fault, Unreachable | ServiceBusy):
                        state.heard = self._clock()
                    if not fault.passing:
                        state.given_up = 0  # A host that refuses is alive.
                        raise
                else:
                    state.heard = self._clock()
                    state.slowest = max(state.slowest, state.heard - begun)
                    state.given_up = 0
                    return answer
            unheard = self._clock() - max(start, state.heard)
            if doubted:
                enough = number >= TRIAL_ATTEMPTS and unheard >= TRIAL_SECONDS
            else:
                enough = number >= ENOUGH_ATTEMPTS and unheard >= ENOUGH_SECONDS
            if enough or number > self._retries:
                if isinstance(fault, Unreachable | ServiceBusy):
                    self._give_up(state, doubted)
                if number > 1:
                    fault.args = (f"{fault} (asked {number} times)",)
                raise fault
            if wanted():
                self._sleep(_pause(fault, number))
        raise AssertionError("count() does not end")

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        session = self._sessions.get()
        try:
            yield session
        finally:
            self._sessions.put(session)

    def _patience(self, state: _Host, number: int, silences: int) -> float:
        if number > self._retries:
            return self._timeout
        return min(self._timeout, max(FIRST_PATIENCE * 2.0**silences, _SLOWER * state.slowest))

    def _begin(self, state: _Host, table_id: str, host: str) -> tuple[bool, bool]:
        """Let a request begin; returns whether it is on trial, and whether the host is down.

        Raises:
            HostGivenUp: the host is down.
        """
        with self._lock:
            down = self._is_down(state)
            if down:
                left = state.down_until - self._clock()
                if left > 0:
                    raise HostGivenUp(
                        table_id,
                        f"{host} is not asked for {left:.0f} seconds more: requests to it failed",
                    )
                # One request finds out; the others wait for what becomes of it.
                state.down_until = self._clock() + COOL_DOWN
            return state.given_up > 0, down

    @staticmethod
    def _is_down(state: _Host) -> bool:
        return state.given_up > 1

    def _give_up(self, state: _Host, doubted: bool) -> None:
        """Note a request that failed. Those under way at the first one don't make a second."""
        with self._lock:
            state.given_up = max(1, state.given_up + doubted)
            state.down_until = self._clock() + COOL_DOWN


def _pause(fault: CbsFault, number: int) -> float:
    if fault.pause is not None:
        return min(LONGEST_PAUSE, fault.pause)
    longest = min(LONGEST_BACK_OFF, FIRST_PAUSE * 2.0 ** (number - 1))
    # Jitter: programs that failed together must not come back together.
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not cryptography
