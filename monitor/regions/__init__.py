"""Regions: codes, names, levels and validity of the areas that figures are about.

Belongs here: everything about areas and their history.
Does not belong here: how CBS serves them (``monitor.cbs``).
"""
