"""The models of the definition files: one frozen model each, the source of the JSON Schemas.

Belongs here: fields, their allowed values, and their Dutch titles, explanations and examples (an
editor shows them while somebody types).
Does not belong here: anything that needs a second file (``catalogue``) or CBS (``resolve``).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

Id = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80),
    Field(
        title="Id",
        description=(
            "Een korte naam: kleine letters en cijfers, met streepjes ertussen. "
            "Het eerste teken is een letter."
        ),
        examples=["jongeren-met-jeugdzorg"],
    ),
]
Text = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
Year = Annotated[
    str,
    StringConstraints(pattern=r"^(19|20)\d\d$"),
    Field(description="Een jaar tussen 1900 en 2099, tussen aanhalingstekens.", examples=["2018"]),
]
Version = Annotated[
    str,
    StringConstraints(pattern=r"^\d+\.\d+\.\d+$"),
    Field(
        description=(
            "Drie getallen. Het eerste verandert bij andere cijfers, het tweede bij meer jaren of "
            "niveaus, het derde bij alleen andere woorden."
        ),
        examples=["1.0.0"],
    ),
]
TableId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_]{4,20}$"),
    Field(description="Het nummer van de tabel bij CBS.", examples=["84799NED"]),
]
Url = Annotated[
    str,
    StringConstraints(pattern=r"^https://[^\s\"<>]+$"),
    Field(
        description="Een adres op internet dat met https:// begint.",
        examples=["https://www.cbs.nl"],
    ),
]
V4Measure = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_]{1,40}$"),
    Field(
        description="De code van het onderwerp in de nieuwe dienst van CBS (OData v4).",
        examples=["M000352"],
    ),
]
FORMS: dict[str, str] = {
    constraints.pattern: f'{field.description} Bijvoorbeeld: "{field.examples[0]}".'
    for constraints, field in (
        get_args(kind)[1:] for kind in (Id, Year, Version, TableId, Url, V4Measure)
    )
}
"""Pattern -> the form of the value in Dutch, for who wrote another."""
LevelName = Literal[
    "country",
    "landsdeel",
    "province",
    "corop",
    "municipality",
    "district",
    "neighbourhood",
    "youth_region",
    "labour_market_region",
    "ggd_region",
    "safety_region",
    "care_office_region",
]
PeriodType = Literal["year", "half_year", "quarter", "month", "week", "day", "school_year"]


def _topic_kind(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "(path)"
    return "(stem)" if isinstance(value, str | int | float) else None


# a tag stands in the place of an error; in brackets it is never the name of a field
Topic = Annotated[
    Annotated[str, StringConstraints(min_length=1), Tag("(stem)")]
    | Annotated[tuple[str, ...], Field(min_length=1), Tag("(path)")],
    Discriminator(_topic_kind),
    Field(
        title="Onderwerp",
        description=(
            "De naam van het onderwerp bij CBS zonder het volgnummer aan het eind, of het pad: "
            "een lijst met de titels van de groepen en het onderwerp."
        ),
        examples=["AantalInwoners", ["Zorg", "Wmo-cliënten relatief"]],
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Party(_Model, title="Partij"):
    """Een partij die mede-eigenaar van definities kan zijn."""

    id: Id
    name: Text = Field(title="Naam")
    side: Literal["national", "municipal"] = Field(
        title="Kant", description="national: Rijk. municipal: gemeenten."
    )
    url: Url | None = Field(None, title="Website")


class Parties(_Model, title="Partijen"):
    """De partijen die samen over de definities gaan."""

    parties: tuple[Party, ...] = Field(title="Partijen", min_length=1)


class Theme(_Model, title="Thema"):
    """Een uitkomst voor inwoners; nooit een wet of een instrument."""

    id: Id
    title: Text = Field(title="Titel")
    question: Text = Field(title="Vraag", description="Wat willen we over inwoners weten?")
    description: Text = Field(title="Uitleg")
    order: int = Field(0, title="Volgorde", description="Plaats in overzichten.")


class SeriesTable(_Model, title="Tabel in een reeks"):
    """Een CBS-tabel in een reeks."""

    table: TableId = Field(title="Tabel", description="Het nummer bij CBS.", examples=["84799NED"])
    period: Year | None = Field(
        None,
        title="Periode",
        description="Alleen voor een tabel zonder perioden: het jaar waar de tabel over gaat.",
    )
    valid_from: Year | None = Field(
        None, title="Vanaf", description="Eerste jaar waarvoor deze tabel telt."
    )
    valid_until: Year | None = Field(
        None, title="Tot en met", description="Laatste jaar waarvoor deze tabel telt."
    )
    odata: Literal["v3", "v4"] | None = Field(
        None,
        title="Versie van OData",
        description=(
            "v3 is de oude dienst van CBS, v4 de nieuwe. Laat dit weg als het niet uitmaakt: de "
            "monitor vraagt de tabel dan bij v3, en bij v4 als v3 de tabel niet heeft."
        ),
    )


class V4Name(_Model, title="Naam in OData v4"):
    """De naam van een onderwerp voor de nieuwe dienst van CBS (OData v4)."""

    measure: V4Measure = Field(title="Code")


class SecondName(_Model, title="Tweede naam"):
    """De naam van een onderwerp in een andere tabel of in de nieuwe dienst van CBS."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["topic"]}, {"required": ["v4"]}]}
    )

    table: TableId = Field(title="Tabel")
    topic: Topic | None = None
    v4: V4Name | None = Field(
        None,
        title="Naam in OData v4",
        description="Voor de nieuwe dienst van CBS (OData v4), die onderwerpen andere namen geeft.",
    )


class Break(_Model, title="Breuk"):
    """Een breuk: cijfers ervoor en erna zijn niet goed te vergelijken."""

    period: Year = Field(title="Eerste jaar na de breuk")
    reason: Text = Field(title="Reden")


class Series(_Model, title="Reeks"):
    """Tabellen die bij elkaar horen: één per jaar, of een oude en een nieuwe met een breuk."""

    id: Id
    title: Text = Field(title="Titel")
    description: Text = Field(title="Uitleg")
    publisher: Text = Field("CBS", title="Uitgever")
    host: Literal["cbs", "derden"] = Field(
        "cbs",
        title="Dienst",
        description="cbs: tabellen van CBS. derden: tabellen van RIVM, politie en anderen.",
    )
    page: Url | None = Field(None, title="Pagina", description="De pagina van CBS over de reeks.")
    tables: tuple[SeriesTable, ...] = Field(title="Tabellen", min_length=1)
    select: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        title="Keuze",
        description="Welk deel van een grote tabel nodig is: de codes per dimensie (indeling).",
        examples=[{"Geslacht": ["T001038"]}],
    )
    topics: dict[str, tuple[SecondName, ...]] = Field(
        default_factory=dict,
        title="Tweede namen",
        description=(
            "Hoe een onderwerp heet in een tabel waar het een andere naam heeft. Is het onderwerp "
            'een pad, schrijf het dan als "Groep > Titel".'
        ),
    )
    breaks: tuple[Break, ...] = Field((), title="Breuken")


class Term(_Model, title="Deel van een telling"):
    """Een deel van een telling: een onderwerp uit een reeks, voor een keuze uit de dimensies."""

    from_: Id = Field(alias="from", title="Reeks")
    topic: Topic
    members: dict[str, str] = Field(
        default_factory=dict,
        title="Keuze uit de dimensies",
        description="Voor elke dimensie behalve regio en periode precies één code.",
        examples=[{"Geslacht": "T001038"}],
    )
    sign: Literal["plus", "minus"] = Field("plus", title="Optellen of aftrekken")


class Owners(_Model, title="Eigenaars"):
    """Wie er samen over gaan, en één aanspreekpunt."""

    contact: Id = Field(title="Aanspreekpunt")
    national: tuple[Id, ...] = Field(title="Namens het Rijk", min_length=1)
    municipal: tuple[Id, ...] = Field(title="Namens gemeenten", min_length=1)


class Population(_Model, title="Noemer"):
    """Een noemer: waar we een aantal door delen. Met een naam, versie en eigenaars."""

    id: Id
    version: Version = Field(title="Versie")
    title: Text = Field(title="Titel")
    description: Text = Field(title="Uitleg")
    unit: str = Field(title="Eenheid", examples=["inwoners"])
    reference_date: Text = Field(
        title="Peilmoment", examples=["1 januari van het jaar van het cijfer"]
    )
    count: tuple[Term, ...] = Field(title="Telling", min_length=1)
    owners: Owners = Field(title="Eigenaars")

    @property
    def major_version(self) -> int:
        """The first number of the version."""
        return int(self.version.split(".")[0])


class PopulationRef(_Model, title="Verwijzing naar een noemer"):
    """Verwijzing naar een noemer."""

    population: Id = Field(title="Noemer")
    version: int = Field(1, title="Hoofdversie", ge=1)


class Published(_Model, title="Gepubliceerd cijfer"):
    """Het cijfer zoals CBS het publiceert."""

    kind: Literal["published"] = Field(title="Soort meting")
    value: Term = Field(title="Cijfer")
    unit: str = Field(title="Eenheid", examples=["%"])
    decimals: int = Field(title="Decimalen", ge=0, le=6)


class Count(_Model, title="Telling"):
    """Een telling: onderwerpen bij elkaar opgeteld of van elkaar afgetrokken."""

    kind: Literal["count"] = Field(title="Soort meting")
    sum: tuple[Term, ...] = Field(title="Delen", min_length=1)
    unit: str = Field(title="Eenheid", examples=["personen"])
    decimals: int = Field(0, title="Decimalen", ge=0, le=6)


def _denominator_kind(value: Any) -> str:
    return "(terms)" if isinstance(value, list | tuple) else "(population)"


class Ratio(_Model, title="Verhouding"):
    """Een verhouding: teller gedeeld door noemer, keer een getal."""

    kind: Literal["ratio"] = Field(title="Soort meting")
    numerator: tuple[Term, ...] = Field(title="Teller", min_length=1)
    denominator: Annotated[
        Annotated[PopulationRef, Tag("(population)")]
        | Annotated[tuple[Term, ...], Field(min_length=1), Tag("(terms)")],
        Discriminator(_denominator_kind),
    ] = Field(title="Noemer")
    times: Literal[1, 100, 1000, 10000, 100000] = Field(
        title="Keer", description="100 voor een percentage, 1000 voor een cijfer per 1 000."
    )
    rounding: Literal["half_up", "half_even", "floor", "none"] = Field(
        title="Afronding",
        description=(
            "half_up: vanaf de helft omhoog. half_even: de helft naar het even cijfer. "
            "floor: altijd naar beneden. none: niet afronden."
        ),
    )
    decimals: int = Field(title="Decimalen", ge=0, le=6)
    unit: str = Field(title="Eenheid", examples=["per 1 000 inwoners"])


Measure = Annotated[Published | Count | Ratio, Field(discriminator="kind", title="Meting")]


class NationalOverview(_Model, title="Landelijk beeld"):
    """Is een landelijk beeld nodig? Ook "nee" is een goed antwoord."""

    needed: bool = Field(title="Nodig")
    reason: Text = Field(title="Waarom wel of niet")


class Approval(_Model, title="Instemming"):
    """De instemming van een partij met een versie."""

    party: Id = Field(title="Partij")
    version: Version = Field(title="Versie")
    date: dt.date = Field(title="Datum")


class Review(_Model, title="Herziening"):
    """Wanneer partijen de definitie opnieuw bespreken."""

    every: Literal["P6M", "P1Y", "P2Y"] = Field(
        title="Ritme", description="P6M: elk halfjaar. P1Y: elk jaar. P2Y: elke twee jaar."
    )
    last: dt.date = Field(title="Laatst besproken")


class Change(_Model, title="Wijziging"):
    """Wat er in een versie veranderde."""

    version: Version = Field(title="Versie")
    date: dt.date = Field(title="Datum")
    what: Text = Field(title="Wat")
    why: Text = Field(title="Waarom")
    by: Id = Field(title="Door wie")


class Indicator(_Model, title="Indicator"):
    """Een indicator: wat we meten, waarom, hoe, en wie er samen over gaan."""

    id: Id
    version: Version = Field(title="Versie")
    status: Literal["proposal", "trial", "established", "withdrawn"] = Field(
        title="Status",
        description=(
            "proposal: voorstel. trial: proef. established: vastgesteld. withdrawn: ingetrokken."
        ),
    )
    valid_from: Year = Field(title="Eerste jaar")
    valid_until: Year | None = Field(None, title="Laatste jaar")
    title: Text = Field(title="Titel")
    theme: Id = Field(title="Thema", description="Een uitkomst voor inwoners, nooit een wet.")
    laws: tuple[Literal["jeugdwet", "wmo-2015", "participatiewet"], ...] = Field((), title="Wetten")
    kind: Literal["effect", "use", "means", "context"] = Field(
        title="Soort",
        description=(
            "effect: wat inwoners merken. use: gebruik van hulp. means: geld en mensen. "
            "context: achtergrond."
        ),
    )
    question: Text = Field(
        title="Vraag",
        description="Welke vraag helpt dit cijfer beantwoorden?",
        examples=["Hoeveel jongeren hebben hulp nodig om veilig op te groeien?"],
    )
    purpose: Text = Field(
        title="Doel",
        description="Waar gebruiken we het antwoord voor?",
        examples=["Een gesprek tussen gemeente en Rijk over de vraag naar hulp."],
    )
    national_overview: NationalOverview = Field(title="Landelijk beeld")
    direction: Literal["higher_is_better", "lower_is_better", "neutral"] = Field(
        title="Richting",
        description="Kies alleen een richting als iedereen het erover eens is. Zo niet: neutral.",
    )
    policy_freedom: Literal["high", "medium", "low"] = Field(
        title="Beleidsvrijheid",
        description="Hoeveel verschil tussen gemeenten is de bedoeling?",
    )
    source_type: Literal["register", "survey", "model"] = Field(
        title="Soort bron", description="register: registratie. survey: enquête. model: schatting."
    )
    measure: Measure
    levels: tuple[LevelName, ...] = Field(
        title="Niveaus", min_length=1, json_schema_extra={"uniqueItems": True}
    )
    period_types: tuple[PeriodType, ...] = Field(
        ("year",),
        title="Soorten periode",
        min_length=1,
        json_schema_extra={"uniqueItems": True},
    )
    reclassification: Literal["sum", "never"] = Field(
        title="Herindelen",
        description="sum: bij een herindeling mag u de cijfers optellen. never: dat mag niet.",
    )
    breaks: tuple[Break, ...] = Field((), title="Breuken")
    not_for: tuple[Text, ...] = Field(
        (), title="Niet voor", description="Waarvoor u dit cijfer niet mag gebruiken."
    )
    notes: tuple[Text, ...] = Field(
        (), title="Bij het lezen", description="Wat een lezer moet weten."
    )
    owners: Owners = Field(title="Eigenaars")
    approvals: tuple[Approval, ...] = Field((), title="Instemming")
    review: Review = Field(title="Herziening")
    changes: tuple[Change, ...] = Field(title="Wijzigingen", min_length=1)

    @property
    def major_version(self) -> int:
        """The first number of the version: another one means other figures."""
        return int(self.version.split(".")[0])
