"""Everything that knows how CBS speaks: asking, archiving, metadata, periods, wide to long, replay.

Belongs here: what is true of CBS's open data whatever it is used for.
Does not belong here: regions through time (``monitor.regions``: what this package needs of region
codes is handed in), definitions of indicators, and what is computed from the figures.

The way of a table: ``sources`` gives its metadata and rows, over HTTP (``client``) or from
recordings; ``archive`` keeps what was answered; ``recording`` makes one wide Parquet of it and
``observations`` the long one; ``ingest`` leads it through and keeps a bad table out.
"""
