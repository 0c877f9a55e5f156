"""model file -> specification: read it, record a change, say what the change means."""

from __future__ import annotations

from iris_ct.core.decision import Decision
from iris_ct.core.errors import SpecificationError, UnknownModelError
from iris_ct.core.specification import Specification, changed_keys
from iris_ct.core.training.recipe import forces_retraining
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, ModelFiles, Store

# What identifies rows, and what orders them.
_FOOTING = ("key", "event_time")


def current_specification(
    model: str, *, files: ModelFiles, store: Store, clock: Clock, actor: str
) -> Specification:
    """Give the model's specification, and record it if its content is new.

    The file decides; a model whose file is not at hand keeps its newest recorded content.

    Raises
    ------
    UnknownModelError
        If there is neither a file nor a record.
    SpecificationError
        If the file breaks a rule, or changes what identifies or orders rows that are stored.
    """
    recorded = store.specifications.newest(model)
    written = files.read(model)
    if written is None:
        if recorded is None:
            raise _unknown(model, files, store)
        return recorded
    if recorded is None or recorded.digest != written.digest:
        if recorded is not None:
            _check_rows_fit(recorded, written, store)
        _record(recorded, written, store=store, clock=clock, actor=actor)
    return written


def _check_rows_fit(before: Specification, after: Specification, store: Store) -> None:
    """Refuse what would put stored rows and new ones on two different footings."""
    changed = [name for name in _FOOTING if getattr(before, name) != getattr(after, name)]
    if not changed:
        return
    n_rows = store.batches.counts(after.name).rows
    if n_rows:
        raise SpecificationError(
            f"models/{after.name}.toml changes {' and '.join(changed)}, but {n_rows} rows are stored "
            f"under {', '.join(_said(name, before) for name in changed)}: old and new rows could "
            "not be told apart or put in order. Change it back, or give the model a new name."
        )


def _said(name: str, specification: Specification) -> str:
    value = getattr(specification, name)
    return f"{name} = {list(value) if isinstance(value, tuple) else value!r}"


def _record(
    before: Specification | None, after: Specification, *, store: Store, clock: Clock, actor: str
) -> None:
    at = clock.now()
    changed = sorted(changed_keys(before, after)) if before else []
    retrains = before is None or forces_retraining(before, after)
    with store.transactions.begin():
        if not store.specifications.record(after, actor=actor, at=at):
            return
        number = len(store.specifications.versions(after.name))
        what = f"changed {', '.join(changed)}" if changed else "first content"
        text = f"specification {number} of {after.name}: {what}" + (
            "; it forces a retraining" if before and retrains else ""
        )
        store.decisions.record(
            Decision(
                decision_id=decision_id("specification", after.name, str(number), after.digest),
                model=after.name,
                kind="specification",
                outcome="recorded",
                reason=text,
                cycle_id=None,
                actor=actor,
                rule="a change of what is learned forces a retraining; a change of how it is "
                "watched does not",
                event_now=store.batches.newest_position(after.name),
                decided_at=at,
                inputs={"before": before.digest if before else None, "after": after.digest},
                numbers={"number": number, "changed": changed, "forces_retraining": retrains},
                thresholds={},
            )
        )
        store.audit.record(
            audit_event(after.name, "Specification", f"{number}:{after.digest}", text, at=at)
        )


def _unknown(model: str, files: ModelFiles, store: Store) -> UnknownModelError:
    known = sorted({*files.names(), *store.specifications.models()})
    return UnknownModelError(
        f"There is no model '{model}'. "
        + (f"Known models: {', '.join(known)}. " if known else "No model is defined yet. ")
        + f"Write models/{model}.toml, or let 'ct init {model} --from FILE --target COL' write it."
    )
