"""The monitor in Dagster: assets, checks, a job, a schedule and a sensor.

Belongs here: wrapping the stages of ``monitor.run.Run`` as assets, and what the UI shows of them.
Does not belong here: the stages themselves; whatever they do works without Dagster too. Nothing
outside this package imports dagster.

``graph`` puts the assets together, ``assets`` makes them, ``shown`` and ``charts`` make what the UI
shows, ``triggers`` starts runs, ``headless`` runs without the UI. Dagster loads `defs`; importing
this module reads no file.
"""

from __future__ import annotations

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Read the settings and the definitions; called when Dagster loads this module."""
    from monitor.pipeline.graph import build_definitions
    from monitor.settings import load_settings

    return build_definitions(load_settings())
