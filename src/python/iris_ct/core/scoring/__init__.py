"""Scoring rows for those who wait for the answer; needs neither pandas nor polars."""
