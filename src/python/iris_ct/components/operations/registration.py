"""Brings MLflow up to date with the store."""

from iop import target

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.register import update_registry
from iris_ct.messages import NotificationRequested, RegistrationRequested, RegistryUpdated


class RegistrationOperation(Operation):
    """Register what MLflow lacks; what it cannot take now stays pending."""

    Notification = target(description="Writes the lines of the console log.")

    def register(self, request: RegistrationRequested) -> RegistryUpdated:
        """Reply with how far MLflow has come."""
        state = update_registry(
            store=self.parts.store,
            jobs=self.parts.jobs,
            registry=self.parts.registry,
            clock=self.parts.clock,
        )
        note = NotificationRequested(request.model)
        self.send_request_async(self.Notification, note)
        return RegistryUpdated(state.n_registered, state.n_pending)
