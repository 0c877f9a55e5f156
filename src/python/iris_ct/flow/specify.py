"""model file -> specification: read it, record a change, say what the change means."""

from __future__ import annotations

from iris_ct.core.decision import Decision
from iris_ct.core.errors import UnknownModelError
from iris_ct.core.specification import Specification, changed_keys
from iris_ct.core.training.recipe import forces_retraining
from iris_ct.flow.identify import audit_event, decision_id
from iris_ct.ports import Clock, ModelFiles, Store


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
        If the file breaks a rule.
    """
    recorded = store.specifications.newest(model)
    written = files.read(model)
    if written is None:
        if recorded is None:
            raise _unknown(model, files, store)
        return recorded
    if recorded is None or recorded.digest != written.digest:
        _record(recorded, written, store=store, clock=clock, actor=actor)
    return written


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
