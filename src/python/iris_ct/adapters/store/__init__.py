"""The store behind the store ports: immutable facts in files, all else in SQL."""

from iris_ct.adapters.store.sql_store import SqlStore

__all__ = ["SqlStore"]
