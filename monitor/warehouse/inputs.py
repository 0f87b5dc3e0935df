"""The tables that Python hands to SQL: definitions, resolved terms, what CBS's tables list.

Belongs here: laying definitions and metadata out as rows, one Parquet file a table (schema
``input``), each with explicit types.
Does not belong here: computing anything that SQL can compute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.sources import page_of
from monitor.indicators.models import Count, Indicator, PopulationRef, Published, Ratio, Term
from monitor.regions.concordance import FIRST
from monitor.warehouse.build import parquet_of
from monitor.warehouse.sqlmodels import INPUT
from monitor.warehouse.store import replace_bytes

if TYPE_CHECKING:
    from monitor.cbs.calendar import Expected
    from monitor.cbs.ingest import TableState
    from monitor.cbs.metadata import TableMeta
    from monitor.cbs.revisions import Pair
    from monitor.cbs.shape_history import ShapeChange
    from monitor.indicators.catalogue import Catalogue, Entry
    from monitor.indicators.corrections import ResolvedCell
    from monitor.indicators.resolve import ResolvedTerm
    from monitor.regions.changes import Changes
    from monitor.regions.concordance import Concordance
    from monitor.regions.reference import Regions

_SHAPE_TEXTS = ("modified", "kind", "subject", "before", "after", "meaning")

KIND_ORDER = {"effect": 1, "use": 2, "means": 3, "context": 4}
"""An outcome table opens with effects."""

_TEXT, _INT, _SMALL, _TINY = "string", "int32", "int16", "int8"

SCHEMAS: dict[str, dict[str, str]] = {
    "terms": {
        "indicator_no": _INT,
        "part": _TEXT,
        "term_no": _SMALL,
        "table_id": _TEXT,
        "topic": _TEXT,
        "members": _TEXT,
        "factor": _INT,
        "year_from": _SMALL,
        "year_until": _SMALL,
    },
    "measures": {
        "indicator_no": _INT,
        "indicator_id": _TEXT,
        "major_version": _INT,
        "definition_version": _TEXT,
        "breakdown": _TEXT,
        "kind": _TEXT,
        "times": _INT,
        "rounding": _TEXT,
        "decimals": _TINY,
        "unit": _TEXT,
        "source_type": _TEXT,
        "numerator_parts": _SMALL,
        "denominator_parts": _SMALL,
        "country_wanted": "bool",
    },
    "measure_levels": {"indicator_no": _INT, "region_level": _TEXT},
    "measure_period_types": {"indicator_no": _INT, "period_type": _TEXT},
    "tables": {
        "table_id": _TEXT,
        "title": _TEXT,
        "publisher": _TEXT,
        "license": _TEXT,
        "page": _TEXT,
        "state": _TEXT,
        "reason": _TEXT,
        "detail": _TEXT,
        "snapshot": _TEXT,
        "retrieved_at": "timestamp",
        "modified": _TEXT,
        "partial": "bool",
        "stale_since": "timestamp",
        "next_publication": _TEXT,
        "next_publication_from": "date",
        "next_publication_until": "date",
    },
    "shape_changes": {
        "table_id": _TEXT,
        "change_no": _INT,
        "retrieved_at": "timestamp",
        "modified": _TEXT,
        "kind": _TEXT,
        "subject": _TEXT,
        "before": _TEXT,
        "after": _TEXT,
        "meaning": _TEXT,
        "indicators": _TEXT,
        "quarantined": "bool",
    },
    "table_regions": {
        "table_id": _TEXT,
        "region_code": _TEXT,
        "region_level": _TEXT,
        "map_year": _SMALL,
    },
    "table_periods": {
        "table_id": _TEXT,
        "period": _TEXT,
        "period_type": _TEXT,
        "year": _SMALL,
        "status": _TEXT,
    },
    "snapshot_pairs": {
        "table_id": _TEXT,
        "old_snapshot": _TEXT,
        "new_snapshot": _TEXT,
        "old_retrieved_at": "timestamp",
        "new_retrieved_at": "timestamp",
        "reason": _TEXT,
        "detail": _TEXT,
    },
    "revisions": {
        "table_id": _TEXT,
        "topic": _TEXT,
        "topic_title": _TEXT,
        "region_code": _TEXT,
        "region_level": _TEXT,
        "period": _TEXT,
        "members": _TEXT,
        "old_value": "decimal",
        "new_value": "decimal",
        "old_status": _TEXT,
        "new_status": _TEXT,
        "old_mark": _TEXT,
        "new_mark": _TEXT,
        "class": _TEXT,
        "new_period": "bool",
        "old_snapshot": _TEXT,
        "new_snapshot": _TEXT,
        "old_retrieved_at": "timestamp",
        "new_retrieved_at": "timestamp",
    },
    "regions": {"region_code": _TEXT, "region_level": _TEXT, "name": _TEXT},
    "municipalities": {
        "region_code": _TEXT,
        "name": _TEXT,
        "valid_from": "date",
        "valid_to": "date",
        "predecessors": _TEXT,
        "successors": _TEXT,
    },
    "region_changes": {
        "date": "date",
        "kind": _TEXT,
        "origin": _TEXT,
        "destination": _TEXT,
        "hectares": "double",
        "dwellings": _INT,
        "inhabitants": _INT,
        "share": "double",
        "told_by": _TEXT,
    },
    "concordance": {
        "from_year": _SMALL,
        "to_year": _SMALL,
        "origin": _TEXT,
        "destination": _TEXT,
        "share": "double",
        "method": _TEXT,
    },
    "history_findings": {
        "check_id": _TEXT,
        "region_code": _TEXT,
        "date": "date",
        "expected": _TEXT,
        "found": _TEXT,
    },
    "region_years": {
        "region_code": _TEXT,
        "region_level": _TEXT,
        "year": _SMALL,
        "valid": "bool",
    },
    "indicators": {
        "indicator_id": _TEXT,
        "major_version": _INT,
        "version": _TEXT,
        "status": _TEXT,
        "title": _TEXT,
        "theme_id": _TEXT,
        "kind": _TEXT,
        "kind_order": _TINY,
        "question": _TEXT,
        "purpose": _TEXT,
        "national_needed": "bool",
        "national_reason": _TEXT,
        "direction": _TEXT,
        "policy_freedom": _TEXT,
        "source_type": _TEXT,
        "measure_kind": _TEXT,
        "formula": _TEXT,
        "unit": _TEXT,
        "decimals": _TINY,
        "levels": _TEXT,
        "period_types": _TEXT,
        "valid_from": _SMALL,
        "valid_until": _SMALL,
        "reclassification": _TEXT,
        "laws": _TEXT,
        "breaks": _TEXT,
        "not_for": _TEXT,
        "notes": _TEXT,
        "contact": _TEXT,
        "national_owners": _TEXT,
        "municipal_owners": _TEXT,
        "review_every": _TEXT,
        "review_last": "date",
        "file": _TEXT,
    },
    "themes": {
        "theme_id": _TEXT,
        "title": _TEXT,
        "question": _TEXT,
        "description": _TEXT,
        "theme_order": _INT,
    },
    "parties": {"party_id": _TEXT, "name": _TEXT, "side": _TEXT, "url": _TEXT},
    "populations": {
        "population_id": _TEXT,
        "major_version": _INT,
        "version": _TEXT,
        "title": _TEXT,
        "description": _TEXT,
        "unit": _TEXT,
        "reference_date": _TEXT,
        "formula": _TEXT,
        "contact": _TEXT,
        "national_owners": _TEXT,
        "municipal_owners": _TEXT,
    },
    "changes": {
        "indicator_id": _TEXT,
        "major_version": _INT,
        "change_no": _INT,
        "version": _TEXT,
        "date": "date",
        "what": _TEXT,
        "why": _TEXT,
        "party_id": _TEXT,
    },
    "approvals": {
        "indicator_id": _TEXT,
        "major_version": _INT,
        "version": _TEXT,
        "party_id": _TEXT,
        "date": "date",
    },
    "corrections": {
        "correction_id": _TEXT,
        "table_id": _TEXT,
        "topic": _TEXT,
        "topic_name": _TEXT,
        "members": _TEXT,
        "region_code": _TEXT,
        "period": _TEXT,
        "year": _SMALL,
        "action": _TEXT,
        "expect": "decimal",
        "value": "decimal",
        "applied": "bool",
        "not_applied": _TEXT,
        "status": _TEXT,
        "reason": _TEXT,
        "party_id": _TEXT,
        "reported_on": "date",
        "reported_to": _TEXT,
        "url": _TEXT,
        "file": _TEXT,
    },
}
"""Input table -> column -> type."""


def write_table(tables: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write one input table; the file is left alone when its bytes would be the same.

    Args:
        tables: folder of the Parquet tables.
        name: one of `SCHEMAS`.
        rows: rows with exactly the columns of its schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int16": pa.int16(),
        "int8": pa.int8(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "double": pa.float64(),
        "decimal": pa.decimal128(18, 6),
    }
    schema = pa.schema([(column, types[kind]) for column, kind in SCHEMAS[name].items()])
    out = parquet_of(tables, f"{INPUT}.{name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    content = sink.getvalue().to_pybytes()
    if not out.exists() or out.read_bytes() != content:
        replace_bytes(out, content)
    return out


def write_definitions(
    tables: Path,
    catalogue: Catalogue,
    terms: Sequence[ResolvedTerm],
    corrections: Sequence[ResolvedCell] = (),
) -> None:
    """Write the definitions, their resolved terms and the corrections as input tables."""
    entries = sorted(catalogue.indicators.items())
    numbers = {key: number for number, (key, _) in enumerate(entries)}
    models = [(numbers[key], entry.model) for key, entry in entries]
    computed = [(numbers[key], entry.model) for key, entry in sorted(catalogue.in_use.items())]
    write_table(
        tables,
        "terms",
        (
            {
                "indicator_no": numbers[t.indicator_id, t.major_version],
                **{k: getattr(t, k) for k in SCHEMAS["terms"] if k != "indicator_no"},
            }
            for t in terms
        ),
    )
    write_table(tables, "measures", (_measure(catalogue, no, model) for no, model in computed))
    write_table(
        tables,
        "measure_levels",
        (
            {"indicator_no": no, "region_level": lvl}
            for no, m in computed
            for lvl in sorted(m.levels)
        ),
    )
    write_table(
        tables,
        "measure_period_types",
        (
            {"indicator_no": no, "period_type": kind}
            for no, m in computed
            for kind in sorted(m.period_types)
        ),
    )
    write_table(tables, "indicators", (_indicator(catalogue, entry) for _, entry in entries))
    write_table(
        tables,
        "themes",
        (
            {
                "theme_id": theme.id,
                "title": theme.title,
                "question": theme.question,
                "description": theme.description,
                "theme_order": theme.order,
            }
            for theme in catalogue.themes_in_order()
        ),
    )
    write_table(
        tables,
        "parties",
        (
            {"party_id": p.id, "name": p.name, "side": p.side, "url": p.url}
            for p in catalogue.parties.values()
        ),
    )
    write_table(
        tables,
        "populations",
        (
            {
                "population_id": p.id,
                "major_version": p.major_version,
                "version": p.version,
                "title": p.title,
                "description": p.description,
                "unit": p.unit,
                "reference_date": p.reference_date,
                "formula": _sum(p.count),
                "contact": p.owners.contact,
                "national_owners": _joined(p.owners.national),
                "municipal_owners": _joined(p.owners.municipal),
            }
            for p in (entry.model for _, entry in sorted(catalogue.populations.items()))
        ),
    )
    write_table(
        tables,
        "changes",
        (
            {
                "indicator_id": m.id,
                "major_version": m.major_version,
                "change_no": number,
                "version": c.version,
                "date": c.date,
                "what": c.what,
                "why": c.why,
                "party_id": c.by,
            }
            for _, m in models
            for number, c in enumerate(m.changes, start=1)
        ),
    )
    write_table(
        tables,
        "approvals",
        (
            {
                "indicator_id": m.id,
                "major_version": m.major_version,
                "version": a.version,
                "party_id": a.party,
                "date": a.date,
            }
            for _, m in models
            for a in m.approvals
        ),
    )
    write_table(tables, "corrections", (_correction(catalogue, cell) for cell in corrections))


def write_sources(
    tables: Path,
    catalogue: Catalogue,
    states: Mapping[str, TableState],
    metas: Mapping[str, TableMeta],
    regions: Regions,
    pairs: Sequence[Pair],
) -> None:
    """Write what CBS's tables list (regions, periods), how each table stands, and its snapshots.

    Args:
        tables: folder of the Parquet tables.
        catalogue: the definitions, for the series that a table belongs to.
        states: state by table id, of every table the definitions need.
        metas: metadata by table id, of every table that has a good snapshot.
        regions: the regions that those tables name.
        pairs: snapshots that follow each other. The cells that changed stand in files of their own;
            the table of them that is written here has none, for when there are no such files.
    """
    series = {
        table.table: entry.model
        for entry in catalogue.series.values()
        for table in entry.model.tables
    }
    write_table(
        tables,
        "tables",
        (
            {
                "table_id": table_id,
                "title": metas[table_id].title if table_id in metas else None,
                "publisher": series[table_id].publisher,
                "license": "CC BY 4.0",
                "page": page_of(table_id, series[table_id].host),
                "state": "good" if state.state in {"new", "unchanged"} else state.state,
                "reason": state.reason,
                "detail": None if state.state == "absent" else state.detail,
                "snapshot": state.snapshot.id if state.snapshot else None,
                "retrieved_at": (
                    state.snapshot.retrieved_at.replace(tzinfo=None) if state.snapshot else None
                ),
                "modified": metas[table_id].modified if table_id in metas else None,
                "partial": state.snapshot is not None and state.snapshot.selection.partial,
                "stale_since": (
                    state.stale_since.replace(tzinfo=None) if state.stale_since else None
                ),
                **_next_publication(state.about.expected),
            }
            for table_id, state in sorted(states.items())
        ),
    )
    write_table(tables, "table_regions", regions.by_table)
    write_table(tables, "table_periods", regions.periods_by_table)
    write_table(tables, "regions", regions.regions)
    write_table(tables, "region_years", regions.years)
    write_table(
        tables,
        "snapshot_pairs",
        (
            {
                "table_id": pair.table_id,
                "old_snapshot": pair.old,
                "new_snapshot": pair.new,
                "old_retrieved_at": pair.old_retrieved_at.replace(tzinfo=None),
                "new_retrieved_at": pair.new_retrieved_at.replace(tzinfo=None),
                "reason": pair.reason,
                "detail": pair.detail,
            }
            for pair in pairs
        ),
    )
    write_table(tables, "revisions", ())


def _next_publication(expected: Expected | None) -> dict[str, Any]:
    return {
        "next_publication": expected.text if expected else None,
        "next_publication_from": expected.first if expected else None,
        "next_publication_until": expected.last if expected else None,
    }


def write_history(tables: Path, history: Changes, concordance: Concordance, last: int) -> None:
    """Write the lives of municipalities, what moved between them, and what does not agree.

    Args:
        tables: folder of the Parquet tables.
        history: what CBS tells of municipalities.
        concordance: the links between any two years, from its first to ``last``.
        last: the newest division.
    """
    years = range(FIRST, last + 1)
    write_table(
        tables,
        "concordance",
        (
            {
                "from_year": one,
                "to_year": other,
                "origin": link.origin,
                "destination": link.destination,
                "share": float(link.share),  # exact until here
                "method": link.method.name.lower(),
            }
            for one in years
            for other in years
            for link in concordance.links(one, other)
        ),
    )
    write_table(
        tables,
        "municipalities",
        (
            {
                "region_code": m.code,
                "name": m.name,
                "valid_from": m.valid_from,
                "valid_to": m.valid_to,
                "predecessors": _joined(m.predecessors),
                "successors": _joined(m.successors),
            }
            for m in history.municipalities.values()
        ),
    )
    write_table(
        tables,
        "region_changes",
        (
            {
                **{key: getattr(m, key) for key in SCHEMAS["region_changes"]},
                "hectares": None if m.hectares is None else float(m.hectares),
                "share": None if m.share is None else float(m.share),
                "told_by": _joined(m.told_by),
            }
            for m in history.moves
        ),
    )
    write_table(
        tables,
        "history_findings",
        (
            {
                "check_id": f"municipal_history_{f.check}",
                **{key: getattr(f, key) for key in ("region_code", "date", "expected", "found")},
            }
            for f in history.findings
        ),
    )


def write_shape_changes(tables: Path, changes: Mapping[str, Sequence[ShapeChange]]) -> None:
    """Write what changed in the shape of each table, by table id."""
    write_table(
        tables,
        "shape_changes",
        (
            {
                "table_id": table_id,
                "change_no": number,
                **{k: getattr(change, k) for k in _SHAPE_TEXTS},
                "retrieved_at": change.retrieved_at
                and dt.datetime.fromisoformat(change.retrieved_at).replace(tzinfo=None),
                "indicators": _joined(change.indicators),
                "quarantined": change.quarantined,
            }
            for table_id, found in sorted(changes.items())
            for number, change in enumerate(found, start=1)
        ),
    )


def _measure(catalogue: Catalogue, number: int, model: Indicator) -> dict[str, Any]:
    measure = model.measure
    ratio = measure if isinstance(measure, Ratio) else None
    parts = [t.part for t in catalogue.terms(catalogue.indicators[model.id, model.major_version])]
    return {
        "indicator_no": number,
        "indicator_id": model.id,
        "major_version": model.major_version,
        "definition_version": model.version,
        "breakdown": "totaal",
        "kind": measure.kind,
        "times": ratio.times if ratio else 1,
        "rounding": ratio.rounding if ratio else "none",
        "decimals": measure.decimals,
        "unit": measure.unit,
        "source_type": model.source_type,
        "numerator_parts": parts.count("numerator"),
        "denominator_parts": parts.count("denominator"),
        "country_wanted": model.national_overview.needed,
    }


def _indicator(catalogue: Catalogue, entry: Entry[Indicator]) -> dict[str, Any]:
    m = entry.model
    return {
        "indicator_id": m.id,
        "major_version": m.major_version,
        "version": m.version,
        "status": m.status,
        "title": m.title,
        "theme_id": m.theme,
        "kind": m.kind,
        "kind_order": KIND_ORDER[m.kind],
        "question": m.question,
        "purpose": m.purpose,
        "national_needed": m.national_overview.needed,
        "national_reason": m.national_overview.reason,
        "direction": m.direction,
        "policy_freedom": m.policy_freedom,
        "source_type": m.source_type,
        "measure_kind": m.measure.kind,
        "formula": formula(catalogue, m),
        "unit": m.measure.unit,
        "decimals": m.measure.decimals,
        "levels": _joined(m.levels),
        "period_types": _joined(m.period_types),
        "valid_from": int(m.valid_from),
        "valid_until": int(m.valid_until) if m.valid_until else None,
        "reclassification": m.reclassification,
        "laws": _joined(m.laws),
        "breaks": "; ".join(f"{b.period}: {b.reason}" for b in m.breaks) or None,
        "not_for": " ".join(m.not_for) or None,
        "notes": " ".join(m.notes) or None,
        "contact": m.owners.contact,
        "national_owners": _joined(m.owners.national),
        "municipal_owners": _joined(m.owners.municipal),
        "review_every": m.review.every,
        "review_last": m.review.last,
        "file": entry.document.path.relative_to(catalogue.folder).as_posix(),
    }


def _correction(catalogue: Catalogue, resolved: ResolvedCell) -> dict[str, Any]:
    model, report = resolved.correction, resolved.correction.reported
    table_id, topic, members, region_code, period = resolved.key
    return {
        "correction_id": model.id,
        "table_id": table_id,
        "topic": topic,
        "topic_name": _topic(model.topic),
        "members": members,
        "region_code": region_code,
        "period": period,
        "year": resolved.year,
        "action": model.action,
        "expect": resolved.cell.expected,
        "value": resolved.cell.replacement,
        "applied": resolved.not_applied is None,
        "not_applied": resolved.not_applied,
        "status": model.status,
        "reason": model.reason,
        "party_id": report.by if report else None,
        "reported_on": report.date if report else None,
        "reported_to": report.to if report else None,
        "url": report.url if report else None,
        "file": catalogue.corrections[model.id]
        .document.path.relative_to(catalogue.folder)
        .as_posix(),
    }


def formula(catalogue: Catalogue, model: Indicator) -> str:
    """Return in Dutch words how an indicator is computed."""
    measure = model.measure
    if isinstance(measure, Published):
        return f"Cijfer van CBS: {_name(measure.value)}"
    if isinstance(measure, Count):
        return f"Telling: {_sum(measure.sum)}"
    below = measure.denominator
    if isinstance(below, PopulationRef):
        population = catalogue.populations[below.population, below.version].model
        bottom = f"{population.title} ({_sum(population.count)})"
    else:
        bottom = f"({_sum(below)})"
    rounding = {
        "half_up": "vanaf de helft naar boven afgerond",
        "half_even": "de helft naar het even cijfer afgerond",
        "floor": "naar beneden afgerond",
        "none": "niet afgerond",
    }[measure.rounding]
    top, times = _sum(measure.numerator), f"{measure.times:,}".replace(",", " ")
    return f"Verhouding: ({top}) gedeeld door {bottom}, keer {times}, {rounding}"


def _sum(terms: Sequence[Term]) -> str:
    signs = [" - " if term.sign == "minus" else " + " for term in terms]
    return "".join(s + _name(t) for s, t in zip(signs, terms, strict=True)).removeprefix(" + ")


def _name(term: Term) -> str:
    members = ", ".join(f"{k} {v}" for k, v in sorted(term.members.items()))
    return f"{_topic(term.topic)} uit {term.from_}" + (f" ({members})" if members else "")


def _topic(name: str | tuple[str, ...]) -> str:
    return name if isinstance(name, str) else " > ".join(name)


def _joined(values: Sequence[str]) -> str | None:
    return ", ".join(values) or None
