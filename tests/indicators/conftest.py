"""A small, complete folder of definitions that tests change one thing in."""

from pathlib import Path

import pytest

PARTIES = """
parties:
  - {id: vng, name: Vereniging van Nederlandse Gemeenten, side: municipal}
  - {id: vws, name: Ministerie van VWS, side: national}
"""
THEME = """
id: veilig-opgroeien
title: Veilig opgroeien
question: Groeien kinderen veilig op?
description: Kinderen en jongeren groeien veilig op.
order: 1
"""
SERIES = """
id: kern
title: Kerncijfers
description: Een tabel per jaar.
tables:
  - {table: T2020NED, period: "2020"}
  - {table: T2021NED, period: "2021"}
"""
POPULATION = """
id: inwoners
version: 1.0.0
title: Inwoners
description: Alle inwoners.
unit: inwoners
reference_date: 1 januari
count:
  - {from: kern, topic: AantalInwoners}
owners: {contact: vng, national: [vws], municipal: [vng]}
"""
INDICATOR = """
id: jongeren
version: 1.0.0
status: trial
valid_from: "2020"
title: Jongeren met jeugdzorg
theme: veilig-opgroeien
kind: effect
question: Hoeveel jongeren hebben hulp?
purpose: Een gesprek tussen gemeenten en Rijk.
national_overview: {needed: true, reason: Het stelsel is landelijk.}
direction: neutral
policy_freedom: high
source_type: register
measure:
  kind: ratio
  numerator:
    - {from: kern, topic: Jongeren}
  denominator: {population: inwoners, version: 1}
  times: 100
  rounding: half_up
  decimals: 1
  unit: "%"
levels: [country, municipality]
reclassification: sum
owners: {contact: vng, national: [vws], municipal: [vng]}
review: {every: P1Y, last: 2026-11-01}
changes:
  - {version: 1.0.0, date: 2026-11-01, what: Eerste voorstel, why: Startset, by: vng}
"""
FILES = {
    "parties.yaml": PARTIES,
    "themes/veilig-opgroeien.yaml": THEME,
    "series/kern.yaml": SERIES,
    "populations/inwoners.v1.yaml": POPULATION,
    "indicators/jongeren.v1.yaml": INDICATOR,
}


class Definitions:
    """A folder of definitions on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"), encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return Definitions(tmp_path / "definitions")
