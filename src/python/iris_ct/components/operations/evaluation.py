"""Puts champion and challenger on the same holdout and asks the gate."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.evaluate import judge_challenger
from iris_ct.messages import ChallengerJudged, EvaluationRequested


class EvaluationOperation(Operation):
    """Judge a challenger once."""

    def judge(self, request: EvaluationRequested) -> ChallengerJudged:
        """Reply with the gate's decision, and whether its recipe is to be refitted."""
        store = self.parts.store
        decision = judge_challenger(
            request.cycle_id, store=store, jobs=self.parts.jobs, clock=self.parts.clock
        )
        cycle = store.cycles.get(request.cycle_id)
        refit = store.specifications.get(cycle.spec_digest).gate.refit
        return ChallengerJudged(
            request.model,
            request.cycle_id,
            decision.outcome,
            decision.decision_id,
            refit and decision.outcome == "promote",
        )
