from __future__ import annotations

import datetime as dt
from calendar import monthrange

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.calendar import About, about, announcement, expected, rhythm

D = dt.date
MONTHS = "januari februari maart april mei juni juli augustus september oktober november december"
DUTCH = MONTHS.split()
years = st.integers(1990, 2099)


# Sentences of CBS, with the table and the day of the text, and what they mean.
GOLDEN = [
    # 03759ned, v4, 2026-06-23
    (
        (
            "In het tweede kwartaal van 2027 worden de cijfers van 1 januari 2027 en de gemiddelde "
            "cijfers over 2026 in deze publicatie opgenomen."
        ),
        (D(2027, 4, 1), D(2027, 6, 30)),
    ),
    # 37789ksz, v4, 2026-06-30
    ("Nieuwe cijfers komen in juli 2026.", (D(2026, 7, 1), D(2026, 7, 31))),
    # 83932NED, v4, 2025-10-08
    (
        (
            "Definitieve cijfers over 2024 en voorlopige cijfers over 2025 komen in het najaar van "
            "2026 beschikbaar."
        ),
        (D(2026, 9, 1), D(2026, 12, 20)),
    ),
    # 85615NED, v4, 2026-06-12
    ("Nieuwe cijfers komen in augustus 2026.", (D(2026, 8, 1), D(2026, 8, 31))),
    # 80590ned, v4, 2026-07-16
    ("Deze tabel wordt iedere maand aangevuld met nieuwe cijfers.", None),
    # 84799NED, v3, 2021-03-26
    ("Elk kwartaal worden er nieuwe cijfers toegevoegd indien deze beschikbaar zijn.", None),
    # 85919ENG, v3, 2025-06-24
    (
        (
            "Provisional data are published 6 months after the end of the reporting year. Final data "
            "are released 18 months after the end of the reporting year."
        ),
        None,
    ),
    # 82010NED, v3, 2014-02-04
    (
        "De cijfers over 2012 verschijnen in de eerste helft van 2015.",
        (D(2015, 1, 1), D(2015, 6, 30)),
    ),
]


@pytest.mark.parametrize(("sentence", "days"), GOLDEN)
def test_a_sentence_of_cbs_is_kept_and_its_date_read(sentence, days):
    found = expected(sentence)
    assert found.text == sentence
    assert (found.first, found.last) == (days or (None, None))
    assert not found.ended


@pytest.mark.parametrize(
    ("moment", "first", "last"),
    [
        ("op 31 oktober 2026", D(2026, 10, 31), D(2026, 10, 31)),
        ("eind oktober 2026", D(2026, 10, 21), D(2026, 10, 31)),
        ("begin februari 2026", D(2026, 2, 1), D(2026, 2, 10)),
        ("medio mei 2026", D(2026, 5, 11), D(2026, 5, 20)),
        ("begin 2026", D(2026, 1, 1), D(2026, 3, 31)),
        ("medio 2026", D(2026, 5, 1), D(2026, 8, 31)),
        ("eind 2026", D(2026, 10, 1), D(2026, 12, 31)),
        ("in het voorjaar van 2027", D(2027, 3, 1), D(2027, 6, 20)),
        ("in de zomer van 2027", D(2027, 6, 1), D(2027, 9, 22)),
        ("in het 2e kwartaal 2026", D(2026, 4, 1), D(2026, 6, 30)),
        ("in de tweede helft van 2026", D(2026, 7, 1), D(2026, 12, 31)),
        ("in de loop van 2026", D(2026, 1, 1), D(2026, 12, 31)),
        ("in 2026", D(2026, 1, 1), D(2026, 12, 31)),
        ("in the fourth quarter of 2026", D(2026, 10, 1), D(2026, 12, 31)),
    ],
)
def test_how_each_word_is_taken(moment, first, last):
    found = expected(f"Nieuwe cijfers komen {moment} beschikbaar.")
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    "sentence",
    [
        "Nieuwe cijfers komen in juli of augustus 2026.",
        "Nieuwe cijfers komen in mei 2026 en in november 2026.",
        "Nieuwe cijfers komen eind juni/begin juli 2026.",
        "Nieuwe cijfers komen uiterlijk in december 2026.",
        "Nieuwe cijfers komen vóór 1 juli 2026.",
        "Nieuwe cijfers komen vanaf maart 2026.",
        "Nieuwe cijfers komen in de winter van 2026.",
        "Nieuwe cijfers komen in het laatste kwartaal van 2026.",
        "Nieuwe cijfers komen op 31 juni 2026.",
        "Nieuwe cijfers komen in augustus.",
        "Nieuwe cijfers komen in schooljaar 2026/2027.",
        "De bevolking op 1 januari 2027 komt in maart 2027 beschikbaar.",
        "De nieuwe cijfers over 2026 worden later bekendgemaakt.",
        "In 2025 is de methode gewijzigd.",
        "Nog niet bekend.",
    ],
)
def test_a_sentence_that_can_be_read_in_two_ways_or_none_has_no_date(sentence):
    found = expected(sentence)
    assert (found.first, found.last, found.ended) == (None, None, False)


@pytest.mark.parametrize(
    "sentence",
    [
        "Niet meer van toepassing.",
        "Deze tabel is stopgezet.",
        "Er komen geen nieuwe cijfers.",
        "Deze tabel wordt niet meer aangevuld.",
        "This table has been discontinued.",
    ],
)
def test_that_none_will_come_is_told_apart_from_not_knowing(sentence):
    assert expected(sentence).ended


def test_of_several_sentences_the_first_that_is_still_to_come_counts():
    text = "Voorlopige cijfers komen in juni 2026. Definitieve cijfers komen in december 2026."
    assert expected(text, D(2026, 6, 1)).first == D(2026, 6, 1)
    assert expected(text, D(2026, 7, 1)).first == D(2026, 12, 1)
    assert expected(text, D(2027, 7, 1)).first == D(2026, 12, 1), "late, and not forgotten"


@given(years, st.integers(1, 12), years, st.integers(1, 28))
def test_a_month_is_read_whatever_the_figures_are_about(year, month, other, day):
    name = DUTCH[month - 1]
    for reference in (f"over {other}", f"van {day} {name} {other}", f"over {other} en {other + 1}"):
        found = expected(f"Nieuwe cijfers {reference} komen in {name} {year}.")
        assert (found.first, found.last) == (
            D(year, month, 1),
            D(year, month, monthrange(year, month)[1]),
        )


@given(years, st.sampled_from(["eerste", "tweede", "derde", "vierde"]), st.booleans())
def test_the_four_quarters_fill_the_year(year, nth, van):
    of = "van " if van else ""
    found = expected(f"In het {nth} kwartaal {of}{year} worden nieuwe cijfers gepubliceerd.")
    assert found.first
    assert found.last
    assert found.first.year == found.last.year == year
    assert 90 <= (found.last - found.first).days + 1 <= 92
    assert found.first.day == 1
    assert (found.last + dt.timedelta(1)).day == 1


@given(st.text(max_size=200))
def test_any_text_is_kept_and_never_half_dated(text):
    found = expected(text)
    assert found.text == text
    assert (found.first is None) == (found.last is None)
    if found.first and found.last:
        assert found.first <= found.last
        assert str(found.first.year) in text


@given(st.lists(st.sampled_from([*DUTCH, "in", "op", "eind", "van", "over", "het tweede kwartaal",
                                 "najaar", "2026", "2027", "12", "nieuwe cijfers", "en", "/"])))  # fmt: skip
def test_words_of_the_grammar_in_any_order_do_not_break_it(words):
    found = expected(" ".join(words))
    if found.first and found.last:
        assert D(2026, 1, 1) <= found.first <= found.last <= D(2027, 12, 31)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "<br>", "<br />"])
@pytest.mark.parametrize(
    "heading",
    [
        "Wanneer komen er nieuwe cijfers?",
        "Wanneer komen er nieuwe cijfers beschikbaar:",
        "When will new figures be published?",
    ],
)
def test_the_paragraph_below_the_heading_is_found(newline, heading):
    text = newline.join(
        [
            "1. TOELICHTING",
            "",
            heading,
            "Nieuwe cijfers komen",
            "in juli 2026.",
            " ",
            "2. DEFINITIES",
        ]
    )
    assert announcement(text) == "Nieuwe cijfers komen in juli 2026."
    assert announcement(text.replace(f" {newline}2.", "2.")) == "Nieuwe cijfers komen in juli 2026."


@pytest.mark.parametrize("text", [None, "", 7, "Gegevens beschikbaar vanaf 2015.", "Wanneer?"])
def test_a_text_without_the_heading_announces_nothing(text):
    assert announcement(text) == ""


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("Perjaar", "year"),
        ("Per jaar", "year"),
        ("Yearly", "year"),
        ("Tweemaal per jaar", "half-year"),
        ("Per kwartaal", "quarter"),
        ("Per maand", "month"),
        ("Onregelmatig", "irregular"),
        ("Stopgezet", "stopped"),
        ("Bij volle maan", None),
        ("", None),
    ],
)
def test_the_rhythm_in_cbss_spellings(word, meaning):
    assert rhythm(word) == meaning


def test_what_a_table_says_is_read_from_v3_and_v4_alike():
    text = "Wanneer komen er nieuwe cijfers?\nNieuwe cijfers komen in juli 2026.\n"
    v3 = {"Frequency": "Perjaar", "Modified": "2026-06-30T02:00:00", "ShortDescription": text}
    v4 = {"Frequency": "Per jaar", "Modified": "2026-06-30T00:00:00+02:00", "LongDescription": text}
    for infos in (v3, v4):
        found = about(infos)
        assert found.rhythm == "year"
        assert found.expected
        assert found.expected.last == D(2026, 7, 31)


def test_a_stopped_table_without_a_sentence_expects_nothing_more():
    found = about({"Frequency": "Stopgezet", "OutputStatus": "Gediscontinueerd"})
    assert found.rhythm == "stopped"
    assert found.expected
    assert found.expected.ended
    assert About().expected is None
