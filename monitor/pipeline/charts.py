"""One picture of all indicators, to see at a glance whether a run makes sense.

Belongs here: the chart beside ``outcomes.figures`` in Dagster.
Does not belong here: charts for readers, and any order of municipalities: the monitor ranks nobody.
"""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path
from typing import Any

import dagster as dg

COLUMNS = 4
COUNTRY, MEDIAN = "Nederland", "middelste gemeente"
_WIDTH, _HEIGHT = 190, 80
_TITLE = 34
"""Characters of a panel's title on one line."""
_COMPARABLE = 20
"""A country this many times its median municipality is a count: no place for both on one axis."""


def indicators_chart(figures: Path, *, synthetic: bool) -> dg.MarkdownMetadataValue:
    """Return small multiples as markdown: an indicator a panel, years from left to right.

    A panel shows the Netherlands, and the median municipality as a summary; of a count, where the
    two don't compare, the Netherlands only.

    Args:
        figures: Parquet of ``outcomes.figures``.
        synthetic: the figures are generated: the picture says so.
    """
    image = base64.b64encode(_png(_lines(figures), synthetic=synthetic)).decode()
    return dg.MetadataValue.md(f"![Alle indicatoren door de jaren](data:image/png;base64,{image})")


def _lines(figures: Path) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect() as connection:
        relation = connection.execute(
            """
            SELECT
                any_value(indicator_title) AS title,
                any_value(unit) AS unit,
                if(region_level = 'country', $country, $median) AS line,
                year,
                median(value) AS value
            FROM read_parquet($figures)
            WHERE value IS NOT NULL
                AND region_level IN ('country', 'municipality')
                AND breakdown = 'totaal'
                AND period_type = 'year'
            GROUP BY theme_id, kind_order, indicator_id, major_version, region_level, year
            ORDER BY theme_id, kind_order, indicator_id, major_version, region_level, year
            """,
            {"figures": str(figures), "country": COUNTRY, "median": MEDIAN},
        )
        columns = [column[0] for column in relation.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in relation.fetchall()]


def _png(lines: list[dict[str, Any]], *, synthetic: bool) -> bytes:
    import altair as alt
    import vl_convert

    panels = []
    years = [line["year"] for line in lines] or [0]
    color = alt.Color(
        "line:N",
        title=None,
        scale=alt.Scale(domain=[COUNTRY, MEDIAN], range=["#154273", "#d97706"]),
        legend=alt.Legend(orient="top"),
    )
    for title, panel in _panels(lines).items():
        large = max(abs(line["value"]) for line in panel) >= 1000
        panels.append(
            alt.Chart(alt.InlineData(panel))
            .mark_line(point={"size": 14}, strokeWidth=1.5)
            .encode(
                x=alt.X(
                    "year:Q",
                    title=None,
                    scale=alt.Scale(domain=[min(years), max(years)], nice=False),
                    axis=alt.Axis(format="d", tickMinStep=1, tickCount=5, grid=False),
                ),
                y=alt.Y(
                    "value:Q",
                    title=None,
                    axis=alt.Axis(tickCount=3, format="~s" if large else "~r"),
                ),
                color=color,
            )
            .properties(
                width=_WIDTH,
                height=_HEIGHT,
                title=alt.Title(textwrap.wrap(title, _TITLE), subtitle=panel[0]["unit"]),
            )
        )
    caption = "Voorbeelddata (synthetisch)" if synthetic else "Bron: CBS"
    chart = (
        alt.concat(*panels, columns=COLUMNS, spacing=14)
        .properties(title=alt.Title(caption, anchor="start", fontSize=11))
        .configure_title(
            fontSize=10,
            anchor="start",
            fontWeight="normal",
            subtitleFontSize=9,
            subtitleColor="#666",
        )
        .configure_axis(labelFontSize=8, gridColor="#eeeeee", domainColor="#cccccc")
        .configure_view(stroke=None)
    )
    png: bytes = vl_convert.vegalite_to_png(chart.to_dict(), scale=1)
    return png


def _panels(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of each indicator's panel, by title."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        panels.setdefault(line["title"], []).append(line)
    for title, panel in panels.items():
        country = [abs(line["value"]) for line in panel if line["line"] == COUNTRY]
        median = [abs(line["value"]) for line in panel if line["line"] == MEDIAN]
        if country and median and max(country) > _COMPARABLE * max(median):
            panels[title] = [line for line in panel if line["line"] == COUNTRY]
    return panels
