"""Drift: rows counted once on fixed grids at arrival, compared by merged counts, never by rows.

`grid` says where a value is counted, `cells` what one batch's counts are, `summary` how rows
become counts and counts are added, `statistics` the formulae, `report` and `error` the verdicts.
"""
