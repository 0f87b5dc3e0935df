"""Validation: a contract for the table of each stage, usable without Dagster.

Belongs here: pandera schemas and the rules across rows that go with them.
Does not belong here: parsing (``monitor.cbs`` refuses what it doesn't know) and Dagster's asset
checks, which call this (``monitor.pipeline``).
"""
