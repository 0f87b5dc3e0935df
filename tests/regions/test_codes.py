import pytest

from monitor.regions.codes import AREA_CODES, canonical, level


def test_the_country_has_one_code_whatever_the_table_writes() -> None:
    assert canonical("NL00") == canonical("NL01") == "NL01"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("NL01", "country"), ("GM0363", "municipality"), ("WK036300", "district"),
     ("BU03630000", "neighbourhood"), ("PV20", "province"), ("SA01", "other")],
)  # fmt: skip
def test_the_level_follows_from_the_prefix(code: str, expected: str) -> None:
    assert level(code) == expected


@pytest.mark.parametrize("code", ["GM0996", "GM0997", "GM0998"])
def test_an_area_without_municipality_or_a_register_of_persons_is_no_municipality(
    code: str,
) -> None:
    assert level(code) == AREA_CODES.level(code) == "other"


def test_observations_get_the_same_lists() -> None:
    assert AREA_CODES.canonical["NL00"] == "NL01"
    assert AREA_CODES.levels["GM"] == "municipality"
