"""store -> SQL: facts in files are shown as rows of tables, where specifications say so."""

from __future__ import annotations

from iris_ct.core.errors import CTError
from iris_ct.ports import Store


def bring_up_tables(store: Store, *, most_rows: int) -> None:
    """Bring the tables of all models that are behind up to date, each by about ``most_rows``.

    A model whose table cannot be made stops none of the others; the first error is raised at
    the end.
    """
    errors: list[CTError] = []
    for model in store.projections.behind():
        try:
            store.projections.bring_up(model, most_rows=most_rows)
        except CTError as error:
            errors.append(error)
    if errors:
        raise errors[0]
