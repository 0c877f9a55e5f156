"""Keeps versions, moves the champion, and closes cycles."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.conclude import conclude
from iris_ct.flow.promote import promote
from iris_ct.flow.rollback import roll_back
from iris_ct.messages import (
    AppointmentRequested,
    ChampionAppointed,
    ConclusionRequested,
    CycleEnded,
    RollbackRequested,
)


class PromotionOperation(Operation):
    """The only item that changes who serves."""

    def conclude(self, request: ConclusionRequested) -> CycleEnded:
        """Reply with how the cycle ended."""
        conclusion = conclude(
            request.cycle_id,
            failure=request.failure,
            store=self.parts.store,
            jobs=self.parts.jobs,
            clock=self.parts.clock,
        )
        return CycleEnded(
            request.model,
            request.cycle_id,
            conclusion.state,
            conclusion.version,
            conclusion.newer_arrivals,
        )

    def roll_back(self, request: RollbackRequested) -> ChampionAppointed:
        """Reply with who serves now."""
        champion = roll_back(
            request.model,
            request_id=request.request_id,
            version=request.version or None,
            actor=request.actor,
            reason=request.reason,
            store=self.parts.store,
            clock=self.parts.clock,
        )
        return ChampionAppointed(request.model, champion.version, champion.decision_id)

    def promote(self, request: AppointmentRequested) -> ChampionAppointed:
        """Reply with who serves now."""
        champion = promote(
            request.model,
            request.version,
            request_id=request.request_id,
            actor=request.actor,
            reason=request.reason,
            store=self.parts.store,
            clock=self.parts.clock,
        )
        return ChampionAppointed(request.model, champion.version, champion.decision_id)
