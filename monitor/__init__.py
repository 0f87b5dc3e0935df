"""The shared monitor of the social domain: co-owned definitions and CBS tables in, one file out.

Rooms: ``cbs`` (how CBS speaks), ``regions`` (municipalities through time), ``indicators`` (the
co-owned definitions), ``warehouse`` (plain SQL to one DuckDB file), ``validation`` (a contract for
each stage), ``pipeline`` (Dagster, and only there) and ``cli``. Imports run one way:
``pipeline`` and ``cli`` -> ``warehouse``, ``validation``, ``indicators``, ``regions`` -> ``cbs``.
"""
