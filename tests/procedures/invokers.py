"""Another production with the item InvokeModel in two settings, called by a service."""

from __future__ import annotations

from typing import Any

from iop import BusinessService, Production, target

from iris_ct.components.operations.invoke_model import InvokeModelOperation


class Caller(BusinessService):
    """Sends on what it gets, and gives the reply back."""

    Model = target()

    def on_message(self, request: Any = None) -> Any:
        return self.send_request_sync(self.Model, request)


production = Production("Other.Production")
ROWS = production.service("Rows", Caller, pool_size=0)
CSV = production.service("Csv", Caller, pool_size=0)
for_rows = production.operation(
    "ForRows",
    InvokeModelOperation,
    settings={"Model": "rentals", "FeatureNames": "temperature, hour"},
)
for_csv = production.operation("ForCsv", InvokeModelOperation, settings={"InputFormat": "strData"})
production.connect(ROWS.Model, for_rows)
production.connect(CSV.Model, for_csv)
