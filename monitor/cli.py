"""The command line: ``run``, ``check``, ``status``, ``dev``, ``replay``, ``sample``, ``schema``.

Belongs here: options, what is printed, exit codes.
Does not belong here: the work (``monitor.run``, ``monitor.indicators``, ``monitor.cbs``). Heavy
libraries are imported where a command needs them, so that help and "nothing changed" come at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from monitor.cbs.faults import explained, parse_faults
from monitor.errors import Exit, MonitorError, UsageError, writing
from monitor.settings import load_settings

if TYPE_CHECKING:
    from monitor.run import Run

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
    data: Data = None,
    definitions: Definitions = None,
) -> None:
    """Pull what the definitions need, compute, check and publish one DuckDB file.

    Exit codes: 0 good, 1 error (the last publication stays), 2 wrong use, 3 published but a table
    is quarantined or a definition could not be resolved.
    """
    settings = load_settings(source=source, data=data, definitions=definitions)
    from monitor.run import Run

    this = Run(settings)
    if select is None and (note := this.unchanged_since()) is not None:
        _say(
            f"Nothing changed since the run of {note['finished_at']}: the tables, the definitions "
            "and the code are the same. Nothing was done."
        )
        _print_outcome(note["summary"], Path(note["publication"]))
        raise typer.Exit(note["exit_code"])
    raise typer.Exit(_run_in_dagster(this, select))


def _run_in_dagster(this: Run, select: str | None) -> int:
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
            result = run_headless(this.settings, select, on_event)
    for failure in result.failed:
        unforeseen = "" if failure.expected else " (a defect: `make dev` shows where)"
        _complain(failure.asset, f"{failure.message}{unforeseen}")
    for check in result.failed_checks:
        if check.blocking or select is not None:  # a whole run sums the others up at the end
            _complain(f"{check.asset}, check {check.check}", check.message)
    if not result.success:
        err.print("Not published: the last publication stays as it was.")
        return Exit.ERROR
    note = this.note()
    if note is None or "publication" not in result.made:
        _say(f"Made {', '.join(result.made)}. The published file is as it was.")
        wrong = any(check.severity == "ERROR" for check in result.failed_checks)
        return Exit.QUARANTINED if wrong else Exit.GOOD
    _print_outcome(note["summary"], Path(note["publication"]))
    return int(note["exit_code"])


def _complain(where: str, message: str) -> None:
    err.print(where, style="bold red", markup=False, highlight=False, end=": ")
    err.print(message, markup=False, highlight=False, soft_wrap=True)


def _print_outcome(summary: dict[str, Any], publication: Path) -> None:
    from rich.table import Table

    if summary["synthetic"]:
        out.print("[bold yellow]voorbeelddata (synthetisch)[/]: not one figure is CBS's.")
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
        _say(f"Not in this recording, so not available: {', '.join(absent)}.", "yellow")
    for found in summary["tables"]:
        if found["state"] == "quarantined":
            _say(f"Quarantined: {found['table_id']}: {found['reason']} ({found['detail']})", "red")
    for problem in summary["problems"]:
        _say(problem, "red")
    size = publication.stat().st_size / 1e6
    _say(f"File: {publication} ({size:.1f} MB)")


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
        from monitor.indicators.resolve import resolve
        from monitor.run import Run

        run = Run(settings, catalogue)
        problems += resolve(
            catalogue, run.described(), partial=run.source.partial, described=True
        ).problems
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
        f"{len(catalogue.parties)} partijen.",
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
def status(source: Source = None, data: Data = None, definitions: Definitions = None) -> None:
    """Show how each CBS table stands, and what was published last."""
    from rich.table import Table

    from monitor.run import NotMaterialisedError, Run

    this = Run(load_settings(source=source, data=data, definitions=definitions))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("table", "state", "rows", "content of", "asked", "CBS's word"):
        table.add_column(name, justify="right" if name == "rows" else "left", no_wrap=True)
    colours = {"quarantined": "red", "absent": "yellow"}
    complaints: list[str] = []
    for table_id in this.requests:
        try:
            state = this.state(table_id)
        except NotMaterialisedError:
            table.add_row(table_id, "[yellow]never asked[/]")
            continue
        snapshot = state.snapshot
        table.add_row(
            table_id,
            f"[{colours.get(state.state, 'green')}]{state.state}[/]",
            _grouped(snapshot.rows) if snapshot else "-",
            f"{snapshot.retrieved_at:%Y-%m-%d %H:%M}" if snapshot else "-",
            f"{state.asked_at:%Y-%m-%d %H:%M}",
            (state.modified or "-")[:10],
        )
        if state.state == "quarantined":
            complaints.append(f"{table_id}: {state.reason} ({state.detail})")
    _say(f"Source: {this.source.label}")
    out.print(table)
    for complaint in complaints:
        _say(complaint, "red")
    note = this.note()
    if note is None:
        _say("Nothing was published from this source yet: `monitor run`.")
    else:
        _say(f"Published {note['finished_at']}: {note['publication']}")


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
