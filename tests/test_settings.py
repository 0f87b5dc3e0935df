from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings import SAMPLE_LABEL, Settings, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_sample_is_the_source_where_none_is_set() -> None:
    assert load_settings({}).source == "sample"


def test_an_option_wins_over_the_environment_and_that_over_the_file() -> None:
    Path("monitor.toml").write_text('source = "a"\ncbs_url = "http://x"\n', encoding="utf-8")
    assert load_settings({}).source == "a"
    assert load_settings({"MONITOR_SOURCE": "b"}).source == "b"
    assert load_settings({"MONITOR_SOURCE": "b"}, source="c").source == "c"
    assert load_settings({"MONITOR_SOURCE": "b"}).cbs_url == "http://x"


def test_an_unknown_setting_is_wrong_use_and_names_the_known_ones() -> None:
    Path("monitor.toml").write_text('sauce = "cbs"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"sauce.*Known: source"):
        load_settings({})


def test_a_file_that_is_not_toml_is_wrong_use() -> None:
    Path("monitor.toml").write_text("source: cbs\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_settings({})


def test_the_clock_can_be_set_and_counts_in_utc() -> None:
    clock = load_settings({"MONITOR_NOW": "2026-11-01T07:00:00+01:00"}).clock()
    assert clock == datetime(2026, 11, 1, 6, tzinfo=UTC)
    with pytest.raises(UsageError, match="MONITOR_NOW"):
        load_settings({"MONITOR_NOW": "yesterday"})


def test_the_name_of_a_synthetic_publication_says_so(tmp_path: Path) -> None:
    settings = load_settings({}, data=tmp_path)
    names = {
        (label, made_up): settings.workspace(label).publication(synthetic=made_up).name
        for label in ("cbs", SAMPLE_LABEL, "x-1")
        for made_up in (True, False)
    }
    assert names["cbs", False] == "monitor-sociaal-domein.duckdb"
    assert names[SAMPLE_LABEL, True] == "monitor-sociaal-domein.voorbeelddata-synthetisch.duckdb"
    assert names["x-1", False] == "monitor-sociaal-domein.x-1.duckdb"
    assert all("voorbeelddata-synthetisch" in n for (_, made_up), n in names.items() if made_up)


def test_what_a_run_makes_never_lies_in_the_committed_folder_of_the_sample() -> None:
    settings = Settings()
    made = settings.workspace(SAMPLE_LABEL).folder
    assert not made.is_relative_to(settings.sample)
    assert not settings.sample_recordings.is_relative_to(settings.sample)


def test_numbers_are_read_from_the_environment_and_the_file_alike() -> None:
    Path("monitor.toml").write_text("timeout = 10\nrequests_at_once = 2\n", encoding="utf-8")
    read = load_settings({})
    assert (read.timeout, read.requests_at_once, read.odata) == (10.0, 2, None)
    read = load_settings({"MONITOR_TIMEOUT": "2.5", "MONITOR_REQUESTS_AT_ONCE": "8"})
    assert (read.timeout, read.requests_at_once) == (2.5, 8)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timeout", "soon"),
        ("timeout", "0"),
        ("timeout", "nan"),
        ("requests_at_once", "2.5"),
        ("requests_at_once", "0"),
        ("requests_at_once", "1000"),
        ("odata", "v5"),
        ("notify", "ftp://geheim"),
        ("notify", "geheim"),
        ("notify", "a@geheim, b@geheim"),
        ("smtp", "http://mail:25"),
        ("smtp", "geheim:x"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_without_its_value(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"{key} \(MONITOR_{key.upper()}\) must be") as wrong:
        load_settings({f"MONITOR_{key.upper()}": value})
    assert "geheim" not in str(wrong.value)


@pytest.mark.parametrize("line", ["timeout = true", "requests_at_once = 2.0", "notify = 7"])
def test_a_value_of_the_wrong_type_in_the_file_is_wrong_use(line: str) -> None:
    Path("monitor.toml").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="must be"):
        load_settings({})


@pytest.mark.parametrize(
    "receiver", ["https://chat.test/hooks/geheim", "mailto:a@b.nl", "beheer@gemeente.nl"]
)
def test_who_is_told_is_not_shown_with_the_settings(receiver: str) -> None:
    read = load_settings({"MONITOR_NOTIFY": receiver, "MONITOR_SMTP": "mail.test:587"})
    assert (read.notify, read.smtp) == (receiver, "mail.test:587")
    assert receiver not in repr(read)


NOW = "2026-11-01T06:00:00Z"


@pytest.mark.parametrize(
    ("given", "moment", "label", "words"),
    [
        # winter and summer time
        ("2026-03-01", "2026-03-01T22:59:59Z", "2026-03-01", "1 maart 2026"),
        ("2026-07-31", "2026-07-31T21:59:59Z", "2026-07-31", "31 juli 2026"),
        ("2026-11-01", "2026-11-01T22:59:59Z", "2026-11-01", "1 november 2026"),  # today
        ("2026-03-01T12:00:00.9+01:00", "2026-03-01T11:00:00Z", "2026-03-01T110000Z",
         "1 maart 2026, 12:00:00 uur"),
    ],
)  # fmt: skip
def test_a_date_is_the_whole_day_in_the_netherlands(
    given: str, moment: str, label: str, words: str
) -> None:
    as_of = load_settings({"MONITOR_NOW": NOW, "MONITOR_AS_OF": given}).as_of
    assert as_of is not None
    assert (as_of.moment, as_of.label, as_of.words) == (
        datetime.fromisoformat(moment), label, words,
    )  # fmt: skip


def test_a_date_of_toml_will_do() -> None:
    Path("monitor.toml").write_text("as_of = 2026-03-01\n", encoding="utf-8")
    as_of = load_settings({"MONITOR_NOW": NOW}).as_of
    assert as_of is not None
    assert as_of.label == "2026-03-01"


@pytest.mark.parametrize(
    "given", ["2026-11-02", "2026-11-01T06:00:01Z", "2026-03-01T12:00", "2026-13-01", "maart", ""]
)
def test_what_is_no_date_or_in_the_future_is_wrong_use(given: str) -> None:
    with pytest.raises(UsageError, match="MONITOR_AS_OF"):
        load_settings({"MONITOR_NOW": NOW}, as_of=given)


def test_how_it_was_shares_the_archive_and_no_other_folder() -> None:
    now = load_settings({"MONITOR_NOW": NOW}, data="d")
    then = load_settings({"MONITOR_NOW": NOW}, data="d", as_of="2026-03-01")
    ours, theirs = (settings.workspace("cbs") for settings in (now, then))
    assert theirs.archive == ours.archive
    for name in ("folder", "states", "tables", "revisions", "last_run"):
        assert getattr(theirs, name) != getattr(ours, name)
    assert theirs.publication(synthetic=False).name.endswith(".stand-2026-03-01.duckdb")
    assert theirs.publication(synthetic=False).parent == ours.publication(synthetic=False).parent
    assert then.dagster_home != now.dagster_home
