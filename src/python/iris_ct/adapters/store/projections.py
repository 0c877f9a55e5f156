"""Facts in files, shown once more as rows of SQL tables, where the specification says so."""

from __future__ import annotations

from iris_ct.adapters.store.analyst import Analyst
from iris_ct.adapters.store.budget import Budget
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.adapters.store.prediction_rows import PredictionRows
from iris_ct.adapters.store.row_tables import RowTables
from iris_ct.adapters.store.specifications import SqlSpecifications


class SqlProjections:
    """`ports.Projections` on a `Database` and `FactFiles`."""

    def __init__(
        self,
        database: Database,
        files: FactFiles,
        specifications: SqlSpecifications,
        analyst: Analyst,
    ) -> None:
        self._specifications = specifications
        self._predictions = PredictionRows(database, files)
        self._rows = RowTables(database, files, analyst)

    def behind(self) -> list[str]:
        """Name the models whose tables are not yet what files and specification say, sorted."""
        lacking, having = self._predictions.states()
        found = []
        for model in self._specifications.models():
            specification = self._specifications.newest(model)
            if specification is None:
                continue
            wanted = lacking if specification.tables.predictions else having
            if model in wanted or self._rows.is_behind(specification):
                found.append(model)
        return found

    def bring_up(self, model: str, *, most_rows: int | None = None) -> bool:
        """Add what is missing, remove what is no longer wanted; tell whether nothing is left."""
        specification = self._specifications.newest(model)
        if specification is None:
            return True
        budget = Budget(most_rows)
        try:
            if specification.tables.predictions:
                self._predictions.bring_up(model, budget)
            else:
                self._predictions.remove(model, budget)
        finally:
            # Rows wait for no file of predictions.
            if specification.tables.rows:
                self._rows.bring_up(specification, budget)
            else:
                self._rows.remove(model)
        return not budget.is_spent
