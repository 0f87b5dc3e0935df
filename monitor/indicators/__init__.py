"""The co-owned definitions: what is measured, why, and who decides about it.

Belongs here: the models of the YAML files, reading them with line numbers, cross-checking them, and
resolving what they name against CBS's metadata.
Does not belong here: computing figures (``dbt_like_sql``) and how CBS speaks (``monitor.cbs``).
"""
