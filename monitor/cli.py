"""The command line: ``run``, ``check``, ``status``, ``revisions``, ``notify``, ``dev`` and others.

Belongs here: options, what is printed, exit codes.
Does not belong here: the work (``monitor.run``, ``monitor.indicators``, ``monitor.cbs``). Heavy
libraries are imported where a command needs them, so that help and "nothing changed" come at once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from monitor.cbs.faults import explained, parse_faults
from monitor.errors import Exit, MonitorError, UsageError, writing
from monitor.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.cbs.revisions import Pair
    from monitor.run import Run
    from monitor.settings import Settings
    from monitor.status import TableStatus

app = typer.Typer(
    help="The shared monitor of the social domain (gedeelde monitor sociaal domein).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

Source = Annotated[
    str | None,
    typer.Option(
        help="sample, cbs, a folder of recordings, or the address of `monitor replay`. "
        "Default: MONITOR_SOURCE, monitor.toml, else sample."
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder for what a run makes.", file_okay=False)]
Definitions = Annotated[Path | None, typer.Option(help="Folder of the definitions.")]
RevisionClass = Literal["announced", "silent", "unstated", "coverage"]


def main() -> None:
    """Run the command line; errors that people can repair come without a traceback."""
    try:
        with writing("the folder for what a run makes"):
            sys.exit(app(standalone_mode=False))  # the code that a command exits with, or None
    except MonitorError as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except typer.Abort:
        err.print("Stopped. What was fetched is kept; the last publication stays.")
        sys.exit(Exit.ERROR)
    except Exception as error:
        # typer's own complaint about an option or argument
        if not hasattr(error, "format_message"):
            raise
        error.show()  # type: ignore[attr-defined]
        sys.exit(Exit.WRONG_USE)


@app.command()
def run(
    source: Source = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Only these assets, as Dagster selects them: cbs/85098NED, "
            'key:"cbs/85098NED"+ (and all that follows from it), group:outcomes.'
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Make the monitor from what was known at the end of that day in the Netherlands "
            "(2026-03-01), or at a moment with its time zone (2026-03-01T12:00:00Z). Asks no "
            "source; writes a file of its own, whose name tells the date.",
        ),
    ] = None,
    data: Data = None,
    definitions: Definitions = None,
) -> None:
    """Pull what the definitions need, compute, check and publish one DuckDB file.

    Exit codes: 0 good, 1 error (the last publication stays), 2 wrong use, 3 published but a table
    is quarantined, a definition could not be resolved or CBS changed a corrected figure.
    """
    settings = load_settings(source=source, data=data, definitions=definitions, as_of=as_of)
    try:
        code, failures = _run(settings, select)
    except Exception as error:
        if getattr(error, "exit_code", Exit.ERROR) == Exit.ERROR:
            _notify(settings, Exit.ERROR, [str(error)])
        raise
    _notify(settings, code, failures)
    raise typer.Exit(code)


def _notify(settings: Settings, code: int, failures: list[str]) -> None:
    """Tell who wants to know (setting ``notify``); that it can't be delivered fails no run."""
    if not settings.notify:
        return
    from monitor.notify import UndeliveredError, tell_of_run

    try:
        tell_of_run(settings, code, failures)
    except UndeliveredError as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)


def _run(settings: Settings, select: str | None) -> tuple[int, list[str]]:
    """Run; return the exit code, and what failed."""
    from monitor.run import Run

    this = Run(settings)
    if select is None and (note := this.unchanged_since()) is not None:
        _say(
            f"Nothing changed since the run of {note['finished_at']}: the tables, the definitions "
            "and the code are the same. Nothing was done."
        )
        _print_outcome(note["summary"], Path(note["publication"]))
        return note["exit_code"], []
    return _run_in_dagster(this, select)


def _run_in_dagster(this: Run, select: str | None) -> tuple[int, list[str]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        # every table and model, and observations, regions, definitions, publication
        total = len(this.requests) + len(this.models) + 4 if select is None else None
        task = progress.add_task("starting Dagster", total=total)

        def on_event(event: Event) -> None:
            rows = f" {_grouped(event.rows)} rows" if event.rows else ""
            progress.update(
                task,
                description=f"{event.asset}{rows}",
                advance=event.kind in {"finished", "failed"},
            )

        from monitor.pipeline.headless import Event
        from monitor.pipeline.headless import run as run_headless

        with writing(this.settings.data):
            result = run_headless(this.settings, select, on_event, this)
    for failure in result.failed:
        unforeseen = "" if failure.expected else " (a defect: `make dev` shows where)"
        _complain(failure.asset, f"{failure.message}{unforeseen}")
    for check in result.failed_checks:
        if check.blocking or select is not None:  # a whole run sums the others up at the end
            _complain(f"{check.asset}, check {check.check}", check.message)
    if not result.success:
        err.print("Not published: the last publication stays as it was.")
        blocking = [check for check in result.failed_checks if check.blocking]
        return Exit.ERROR, [
            *(f"{failure.asset}: {failure.message}" for failure in result.failed),
            *(f"{check.asset}, check {check.check}: {check.message}" for check in blocking),
        ]
    note = this.note()
    if note is None or "publication" not in result.made:
        _say(f"Made {', '.join(result.made)}. The published file is as it was.")
        wrong = any(check.severity == "ERROR" for check in result.failed_checks)
        return Exit.QUARANTINED if wrong else Exit.GOOD, []
    _print_outcome(note["summary"], Path(note["publication"]))
    return int(note["exit_code"]), []


def _complain(where: str, message: str) -> None:
    err.print(where, style="bold red", markup=False, highlight=False, end=": ")
    err.print(message, markup=False, highlight=False, soft_wrap=True)


def _print_outcome(summary: dict[str, Any], publication: Path) -> None:
    from rich.table import Table

    if summary["synthetic"]:
        out.print("[bold yellow]voorbeelddata (synthetisch)[/]: not one figure is CBS's.")
    if summary["as_of"]:
        _say(f"As it was known on {summary['as_of']}: this is not the newest.", "bold yellow")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("theme", "indicators", "cells", "with a value", "newest"):
        table.add_column(name, justify="left" if name == "theme" else "right", no_wrap=True)
    for theme in summary["themes"]:
        table.add_row(
            theme["theme"],
            f"{theme['indicators']}",
            _grouped(theme["cells"]),
            _grouped(theme["with_value"]),
            theme["newest_period"] or "-",
        )
    out.print(table)
    without = [theme["theme"] for theme in summary["themes"] if not theme["effects"]]
    if without:
        _say(f"Nog geen effectindicator: {', '.join(without)}.", "yellow")
    absent = [t["table_id"] for t in summary["tables"] if t["state"] == "absent"]
    if absent:
        why = "Not known yet" if summary["as_of"] else "Not in this recording"
        _say(f"{why}, so not available: {', '.join(absent)}.", "yellow")
    for found in summary["tables"]:
        if found["state"] == "quarantined":
            _say(f"Quarantined: {found['table_id']}: {found['reason']} ({found['detail']})", "red")
    for pair in summary["revisions"]:
        if pair["this_run"]:
            _say(
                f"Changed: {pair['table_id']} since {pair['old_retrieved_at'][:10]}: {_told(pair)}"
            )
    for line in summary["shape_changes"]:
        _say(line, "yellow")
    for problem in summary["problems"]:
        _say(problem, "red")
    for warning in summary["warnings"]:
        _say(warning, "yellow")
    size = publication.stat().st_size / 1e6
    _say(f"File: {publication} ({size:.1f} MB)")


def _told(pair: Mapping[str, Any]) -> str:
    """Return in words how many cells changed, a class."""
    if pair["reason"]:
        return f"not compared ({pair['detail']})."
    counts = {**pair["counts"], "in new periods": pair["new_periods"]}
    told = ", ".join(f"{_grouped(count)} {name}" for name, count in counts.items() if count)
    return f"{told or 'no figure'}."


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _say(text: str, style: str | None = None) -> None:
    out.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


@app.command()
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Alleen deze bestanden of mappen. Zonder keuze: alle definities."),
    ] = None,
    source: Source = None,
    definitions: Definitions = None,
) -> None:
    """Controleer de definities: alle fouten tegelijk, met bestand, regel en wat u kunt doen."""
    from monitor.indicators.catalogue import load
    from monitor.indicators.problems import errors, shown
    from monitor.indicators.schema import outdated

    settings = load_settings(source=source, definitions=definitions)
    catalogue, problems = load(settings.definitions)
    if not errors(problems):
        from monitor.run import Run

        problems += Run(settings, catalogue).check()
    wanted = [shown(path) for path in paths or []]
    for path, name in zip(paths or [], wanted, strict=True):
        if not path.exists():
            raise UsageError(f"{name} bestaat niet.")
    problems = sorted(
        p
        for p in problems
        if not wanted or any(p.file == w or p.file.startswith(f"{w}/") for w in wanted)
    )
    for problem in problems:
        err.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    wrong = len(errors(problems))
    if wrong:
        err.print(f"{wrong} {'fout' if wrong == 1 else 'fouten'} in de definities.", style="red")
    stale = outdated(settings.definitions / "schema")
    if stale:
        err.print(f"Verouderd: {', '.join(stale)}. Voer `monitor schema` uit en neem ze mee.")
    if wrong or stale:
        raise typer.Exit(Exit.ERROR)
    out.print(
        f"In orde: {len(catalogue.indicators)} indicatoren, {len(catalogue.populations)} noemers, "
        f"{len(catalogue.series)} reeksen, {len(catalogue.themes)} thema's, "
        f"{len(catalogue.parties)} partijen, {len(catalogue.corrections)} correcties.",
        highlight=False,
    )
    for theme in catalogue.themes_in_order():
        if not catalogue.has_effect(theme.id):
            out.print(f"Thema {theme.id}: nog geen effectindicator.", highlight=False)


@app.command()
def dev(source: Source = None, data: Data = None) -> None:
    """Open the Dagster UI, with the history of all runs; Ctrl-C stops it."""
    import os
    import subprocess

    from monitor.pipeline.headless import prepare_home

    settings = load_settings(source=source, data=data)
    environment = os.environ | {
        "DAGSTER_HOME": str(prepare_home(settings)),
        "MONITOR_SOURCE": settings.source,
        "MONITOR_DATA": str(settings.data),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-m", "monitor.pipeline"]
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command()
def status(
    source: Source = None,
    data: Data = None,
    definitions: Definitions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show how each CBS table stands, and what was published last; asks the source nothing."""
    from monitor.run import Run
    from monitor.status import NEVER, table_statuses

    this = Run(load_settings(source=source, data=data, definitions=definitions))
    statuses = table_statuses(this)
    note = this.note()
    published = {key: note[key] for key in ("finished_at", "publication")} if note else None
    if as_json:
        found = [status.as_json() for status in statuses]
        text = {"source": this.source.label, "published": published, "tables": found}
        typer.echo(json.dumps(text, indent=1, ensure_ascii=False))
        return
    _say(f"Source: {this.source.label}")
    _print_statuses(statuses)
    for status in statuses:
        for line in this.shape_lines(status.table_id) if status.state != NEVER else ():
            _say(line, "yellow")
    if published is None:
        _say("Nothing was published from this source yet: `monitor run`.")
    else:
        _say(f"Published {published['finished_at']}: {published['publication']}")


def _print_statuses(statuses: list[TableStatus]) -> None:
    from rich.table import Table

    from monitor.status import NEVER, shown_range

    table = Table(box=None, padding=(0, 2, 0, 0))
    right = {"rows", "kept"}
    columns = ("table", "state", "rows", "asked", "at CBS", "content of", "kept", "stale", "next")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    colours = {"quarantined": "red", "absent": "yellow", NEVER: "yellow"}
    for s in statuses:
        coming = shown_range(s.next_first, s.next_last) if s.next_first and s.next_last else None
        table.add_row(
            s.table_id,
            f"[{colours.get(s.state, 'green')}]{s.state}[/]",
            _grouped(s.rows) if s.rows is not None else "-",
            f"{s.asked_at:%Y-%m-%d %H:%M}" if s.asked_at else "-",
            (s.modified or "-")[:10],
            f"{s.retrieved_at:%Y-%m-%d}" if s.retrieved_at else "-",
            f"{s.snapshots}",
            f"[red]{s.stale_since:%Y-%m-%d}[/]" if s.stale_since else "-",
            f"[yellow]{coming}[/]" if s.overdue else coming or ("none" if s.ended else "-"),
        )
    # a narrow terminal, or none, breaks lines; it leaves nothing out
    Console(width=max(out.width, _STATUS_WIDTH)).print(table)
    for s in statuses:
        if s.trouble:
            _say(s.trouble, "red")
    for s in statuses:
        if s.overdue:
            _say(f"{s.table_id}: overdue, CBS announced: {s.next_text}", "yellow")
    for s in statuses:
        if s.next_text and not s.overdue:
            _say(f"{s.table_id}: {s.next_text}")


_STATUS_WIDTH = 120


@app.command()
def notify(source: Source = None, data: Data = None) -> None:
    """Send a test message to who is told of runs that fail (setting ``notify``)."""
    from monitor.notify import send, trial

    settings = load_settings(source=source, data=data)
    if not settings.notify:
        raise UsageError(
            "Nobody is told of runs that fail. Set MONITOR_NOTIFY, or notify in monitor.toml, to "
            "the address of a webhook (https://…) or an e-mail address."
        )
    send(trial(settings), settings)
    _say("A test message was accepted by the receiver.")


@app.command()
def revisions(
    table_id: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Show the cells of this table.")
    ] = None,
    kind: Annotated[
        RevisionClass | None, typer.Option("--class", help="Only cells of this class.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Show no more cells than this.", min=1)] = 50,
    everything: Annotated[
        bool, typer.Option("--all", help="Of all snapshots, not only of the last two.")
    ] = False,
    source: Source = None,
    data: Data = None,
    definitions: Definitions = None,
) -> None:
    """Show what changed from one snapshot of a CBS table to the next: counts, or cells of TABLE.

    announced: a provisional figure changed or became final. silent: a final figure changed.
    unstated: CBS gives no status. coverage: a figure appeared or vanished.
    """
    from monitor.run import Run

    this = Run(load_settings(source=source, data=data, definitions=definitions))
    if table_id is not None and table_id not in this.requests:
        raise UsageError(
            f"{table_id} is no table that the definitions use. They use: "
            f"{', '.join(this.requests)}."
        )
    pairs = [
        p for table in this.requests if table_id in {None, table} for p in this.revisions(table)
    ]
    if not pairs:
        _say(
            f"Nothing to compare yet: of {table_id or 'every table'} there is at most one snapshot "
            f"from source {this.source.label}. A new one is made when CBS changes the table."
        )
    elif table_id is None:
        _print_counts(pairs)
    else:
        _print_cells(pairs if everything else pairs[-1:], kind, limit)


def _print_counts(pairs: Sequence[Pair]) -> None:
    from rich.table import Table

    from monitor.cbs.revisions import CLASSES

    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("table", "from", "to", *CLASSES, "new period"):
        left = name in {"table", "from", "to"}
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for pair in pairs:
        moments = (pair.old_retrieved_at, pair.new_retrieved_at)
        counts = [pair.counts.get(name) for name in CLASSES]
        counts.append(None if pair.file is None else pair.new_periods)
        table.add_row(
            pair.table_id,
            *(f"{moment:%Y-%m-%d}" for moment in moments),
            *("-" if count is None else _grouped(count) for count in counts),
        )
    out.print(table)
    for pair in pairs:
        if pair.reason:
            _say(f"Not compared: {pair.table_id}: {pair.reason} ({pair.detail})", "yellow")


def _print_cells(pairs: Sequence[Pair], kind: str | None, limit: int) -> None:
    from monitor.cbs.revisions import read

    for pair in pairs:
        said = f"{pair.table_id}, from {pair.old_retrieved_at:%Y-%m-%d %H:%M} to"
        said = f"{said} {pair.new_retrieved_at:%Y-%m-%d %H:%M} UTC"
        if pair.file is None:
            _say(f"{said}: not compared: {pair.reason} ({pair.detail})", "yellow")
            continue
        cells, total = read(pair.file, kind, limit)
        more = f", the first {len(cells)}" if len(cells) < total else ""
        _say(f"{said}: {_grouped(total)} changed cells{f' ({kind})' if kind else ''}{more}")
        for cell in cells:
            where = " ".join(filter(None, (cell.region_code, cell.period, cell.members)))
            _say(f"  {cell.kind:<9}  {where}  {cell.topic}: {cell.old} -> {cell.new}")


@app.command(epilog=f"Faults: {explained()}")
def replay(
    path: Annotated[Path, typer.Argument(help="Folder with recordings: <table>/<Entity>.json.gz.")],
    port: Annotated[int, typer.Option(help="Port on this machine.", min=0, max=65535)] = 8080,
    faults: Annotated[
        str,
        typer.Option(
            help="What goes wrong, such as all:5% or status-503=2:5%,resetx3@TableInfos. See below."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Which requests meet a fault that has a rate.")] = 1,
    page_rows: Annotated[
        int | None,
        typer.Option(help="Rows in a page. Default: 10 000 (v3), 100 000 (v4).", min=1),
    ] = None,
    latency: Annotated[float, typer.Option(help="Milliseconds before every answer.", min=0)] = 0.0,
) -> None:
    """Serve recordings as CBS's OData v3 and v4, until stopped; with --faults, as it can fail."""
    from monitor.cbs.replay import serve

    wrong = parse_faults(faults) if faults else []
    serve(path, port, wrong, seed=seed, page_rows=page_rows, latency=latency / 1000)


@app.command()
def sample(
    path: Annotated[Path, typer.Argument(help="Folder to write the sample's recordings to.")],
) -> None:
    """Write the recordings of the synthetic sample: voorbeelddata (synthetisch)."""
    from monitor.cbs.sample import write_recordings

    settings = load_settings()
    write_recordings(settings.sample, path)
    out.print(
        f"voorbeelddata (synthetisch): {len(list(path.glob('*/TableInfos.json.gz')))} tables in "
        f"{path}. Serve them with `monitor replay {path}`.",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def schema(definitions: Definitions = None) -> None:
    """Write the JSON Schemas of the definition files, by which editors complete and explain."""
    from monitor.indicators.schema import write_schemas

    folder = load_settings(definitions=definitions).definitions / "schema"
    changed = write_schemas(folder)
    out.print(f"{len(changed)} changed in {folder}.", highlight=False, soft_wrap=True)
