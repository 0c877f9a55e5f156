"""Compares an arrived batch with the champion's reference window."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.detect import detect
from iris_ct.messages import DriftChecked, DriftCheckRequested


class DriftDetectionOperation(Operation):
    """Measure data drift and error drift, and keep the report."""

    def detect_drift(self, request: DriftCheckRequested) -> DriftChecked:
        """Reply with the identifier of the stored report."""
        report = detect(
            request.model,
            request.subject,
            store=self.parts.store,
            champions=self.parts.champions,
            clock=self.parts.clock,
        )
        return DriftChecked(
            request.model,
            report.report_id,
            report.drifted,
            len(report.drifted_features),
            report.error_drifted,
        )
