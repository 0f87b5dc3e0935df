"""The warehouse: plain SQL files in, Parquet tables and one published DuckDB file out.

Belongs here: reading and running ``dbt_like_sql``, the tables that Python hands to it, publishing.
Does not belong here: figures' formulas (they are in the SQL) and Dagster (``monitor.pipeline``).
"""
