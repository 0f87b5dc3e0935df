from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from monitor.cbs.client import RETRIES
from monitor.cbs.failures import (
    BrokenPage,
    CbsFault,
    HostGivenUp,
    NotOffered,
    ServiceBusy,
    Unreachable,
)
from monitor.cbs.persistence import COOL_DOWN, Persistence


class Time:
    """A clock that only goes on when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Host:
    """Answers each attempt with the next of ``answers`` (the last for ever); faults are raised."""

    def __init__(self, *answers: object, timeout: float = 60.0, retries: int = RETRIES) -> None:
        self.time = Time()
        self.answers = list(answers)
        self.patience: list[float] = []
        self._persistence = Persistence(
            timeout=timeout, retries=retries, at_once=4, sleep=self.time.sleep, clock=self.time
        )

    def ask(self, table: str = "99999NED", host: str = "host") -> object:
        return self._persistence.ask(host, table, self._attempt)

    def _attempt(self, _: requests.Session, patience: float) -> object:
        self.patience.append(patience)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(self, patience)
        if isinstance(answer, CbsFault):
            raise answer
        return answer


def refused(*_: object) -> CbsFault:
    return Unreachable("99999NED", "connection refused")


def silent(host: Host, patience: float) -> CbsFault:
    host.time.now += patience
    return Unreachable("99999NED", "timed out")


def black_hole(host: Host, patience: float) -> CbsFault:
    host.time.now += min(10.0, patience)
    return Unreachable("99999NED", "no route")


def busy(*_: object) -> CbsFault:
    return ServiceBusy("99999NED", "status 503")


def busy_for_long(*_: object) -> CbsFault:
    fault = ServiceBusy("99999NED", "status 503")
    fault.pause = 3600.0
    return fault


def broken(*_: object) -> CbsFault:
    return BrokenPage("99999NED", "cut off")


def absent(*_: object) -> CbsFault:
    return NotOffered("99999NED", "not found")


def test_a_passing_fault_is_asked_again_with_pauses_that_double_up_to_a_bound():
    host = Host(broken)
    with pytest.raises(BrokenPage, match="asked 16 times"):
        host.ask()
    longest = [0.25, 0.5, 1.0, 2.0, 4.0, *[8.0] * 10]
    assert len(host.time.pauses) == len(longest)
    for pause, most in zip(host.time.pauses, longest, strict=True):
        assert most / 2 <= pause <= most


def test_a_silent_answer_is_waited_for_longer_each_time_and_a_broken_one_is_not():
    host = Host(silent, broken, silent, busy, silent, silent, broken, silent, broken, "answer")
    assert host.ask() == "answer"
    assert host.patience == [4, 8, 8, 16, 16, 32, 60, 60, 60, 60]


def test_patience_is_no_longer_than_the_timeout_and_whole_at_the_last_attempt():
    host = Host(silent, timeout=10.0, retries=2)
    with pytest.raises(Unreachable):
        host.ask()
    assert host.patience == [4, 8, 10]
    host = Host("answer", timeout=10.0, retries=0)
    host.ask()
    assert host.patience == [10]


def test_a_slow_host_is_given_more_time_from_the_first_attempt():
    def slow(host: Host, _: float) -> str:
        host.time.now += 3.0
        return "answer"

    host = Host(slow)
    host.ask()
    host.ask()
    assert host.patience == [4, 12]


@pytest.mark.parametrize(
    ("answer", "most"),
    [(refused, 110), (busy, 110), (silent, 140), (black_hole, 140), (busy_for_long, 361)],
)
def test_a_dead_host_costs_a_run_of_ten_tables_about_two_minutes(answer, most):
    host = Host(answer)
    faults = []
    for _ in range(10):
        with pytest.raises(CbsFault) as fault:
            host.ask()
        faults.append(fault.type)
    assert host.time.now <= most
    assert faults[2:] == [HostGivenUp] * 8
    assert len(host.patience) <= RETRIES + 10


def test_nothing_is_sent_to_a_host_that_is_down_and_others_are_asked():
    host = Host(refused, retries=1)
    for _ in range(2):
        with pytest.raises(Unreachable):
            host.ask()
    assert len(host.patience) == 4
    with pytest.raises(HostGivenUp, match="300 seconds") as fault:
        host.ask()
    assert "eerdere verzoeken" in fault.value.explanation
    assert len(host.patience) == 4
    host.answers = ["answer"]
    assert host.ask(host="other") == "answer"


def down(host: Host) -> Host:
    for _ in range(2):
        with pytest.raises(Unreachable):
            host.ask()
    return host


def test_after_the_cool_down_one_request_finds_out_and_a_success_opens_the_way():
    host = down(Host(refused, retries=1))
    host.time.now += COOL_DOWN
    sent = len(host.patience)

    def meanwhile(*_: object) -> str:
        with pytest.raises(HostGivenUp):
            host.ask()
        return "answer"

    host.answers = [meanwhile, "answer"]
    assert host.ask() == "answer"
    assert len(host.patience) == sent + 1
    assert host.ask() == "answer"


def test_after_the_cool_down_a_failure_closes_the_way_again():
    host = down(Host(refused, retries=1))
    host.time.now += COOL_DOWN
    with pytest.raises(Unreachable):
        host.ask()
    sent = len(host.patience)
    with pytest.raises(HostGivenUp):
        host.ask()
    assert len(host.patience) == sent


@pytest.mark.parametrize(("answer", "kind"), [(absent, NotOffered), (broken, BrokenPage)])
def test_a_host_that_answers_is_alive(answer, kind):
    host = Host(answer, retries=0)
    for _ in range(5):
        with pytest.raises(kind):
            host.ask()
    assert len(host.patience) == 5


def test_a_table_that_fails_alone_does_not_take_the_host_down():
    host = Host(busy, busy, "answer", busy, busy, "answer", retries=1)
    for _ in range(2):
        with pytest.raises(ServiceBusy):
            host.ask()
        assert host.ask() == "answer"


def test_a_request_after_one_that_was_given_up_still_overcomes_some_faults():
    host = Host(*[busy] * (RETRIES + 1), busy, refused, busy, "answer")
    with pytest.raises(ServiceBusy):
        host.ask()
    assert host.ask() == "answer"


def test_requests_that_were_under_way_together_count_as_one():
    together = threading.Barrier(3, timeout=10)

    def all_refused(*_: object) -> CbsFault:
        together.wait()
        return refused()

    host = Host(all_refused, retries=0)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(host.ask) for _ in range(3)]
    assert {type(request.exception()) for request in asked} == {Unreachable}
    host.answers = ["answer"]
    assert host.ask() == "answer"


def test_a_host_that_others_get_answers_from_is_asked_until_the_retries_are_used_up():
    def answers_others(host: Host, patience: float) -> CbsFault:
        here, host.answers = host.answers, ["answer"]
        host.ask()
        host.answers = here
        return silent(host, patience)

    host = Host(answers_others)
    with pytest.raises(Unreachable, match="asked 16 times"):
        host.ask()


def test_the_retries_outlast_eight_faults_at_five_percent_each():
    attempt_fails = 1 - 0.95**8
    assert 1000 * attempt_fails ** (RETRIES + 1) < 1e-4
    # Five silences before anything else is heard: what gives a request up sooner.
    assert 1000 * 0.05**5 < 1e-3
