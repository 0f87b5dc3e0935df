"""One picture of all indicators, to see at a glance whether a run makes sense.

Belongs here: the chart beside ``outcomes.figures`` in Dagster.
Does not belong here: charts for readers, and any order of municipalities: the monitor ranks nobody.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import dagster as dg

COLUMNS = 4
_WIDTH, _HEIGHT = 190, 80
_TITLE = 34
"""Characters of a panel's title on one line."""


def indicators_chart(figures: Path, *, synthetic: bool) -> dg.MarkdownMetadataValue:
    """Return small multiples as markdown: an indicator a panel, years from left to right.

    A panel shows the Netherlands, and the median municipality as a summary; whichever there is.

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
                CASE region_level
                    WHEN 'country' THEN 'Nederland'
                    ELSE 'middelste gemeente'
                END AS line,
                year,
                median(value) AS value
            FROM read_parquet($1)
            WHERE value IS NOT NULL
                AND region_level IN ('country', 'municipality')
                AND breakdown = 'totaal'
                AND period_type = 'year'
            GROUP BY theme_id, kind_order, indicator_id, major_version, region_level, year
            ORDER BY theme_id, kind_order, indicator_id, major_version, region_level, year
            """,
            [str(figures)],
        )
        columns = [column[0] for column in relation.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in relation.fetchall()]


def _png(lines: list[dict[str, Any]], *, synthetic: bool) -> bytes:
    import altair as alt
    import vl_convert

    titles = list(dict.fromkeys(line["title"] for line in lines))
    wrapped = {title: _wrap(title) for title in titles}
    panels = [
        alt.Chart(alt.InlineData([line for line in lines if line["title"] == title]))
        .mark_line(point={"size": 14}, strokeWidth=1.5)
        .encode(
            x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3, format="~s")),
            color=alt.Color(
                "line:N",
                title=None,
                scale=alt.Scale(
                    domain=["Nederland", "middelste gemeente"], range=["#154273", "#d97706"]
                ),
                legend=alt.Legend(orient="top"),
            ),
        )
        .properties(width=_WIDTH, height=_HEIGHT, title=wrapped[title])
        for title in titles
    ]
    caption = "Voorbeelddata (synthetisch)" if synthetic else "Bron: CBS"
    chart = (
        alt.concat(*panels, columns=COLUMNS, spacing=14)
        .properties(title=alt.Title(caption, anchor="start", fontSize=11))
        .configure_title(fontSize=10, anchor="start", fontWeight="normal")
        .configure_axis(labelFontSize=8, gridColor="#eeeeee", domainColor="#cccccc")
        .configure_view(stroke=None)
    )
    png: bytes = vl_convert.vegalite_to_png(chart.to_dict(), scale=1)
    return png


def _wrap(title: str) -> list[str]:
    import textwrap

    return textwrap.wrap(title, _TITLE)
