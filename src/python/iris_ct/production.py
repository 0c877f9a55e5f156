"""The production: every item and every connection, in the order of the flow, on one screen."""

from iop import Production

from iris_ct.components.operations.alert import AlertOperation
from iris_ct.components.operations.calls import CallsOperation
from iris_ct.components.operations.drift_detection import DriftDetectionOperation
from iris_ct.components.operations.evaluation import EvaluationOperation
from iris_ct.components.operations.ingestion import IngestionOperation
from iris_ct.components.operations.invoke_model import InvokeModelOperation
from iris_ct.components.operations.notification import NotificationOperation
from iris_ct.components.operations.observation import ObservationOperation
from iris_ct.components.operations.promotion import PromotionOperation
from iris_ct.components.operations.registration import RegistrationOperation
from iris_ct.components.operations.training import TrainingOperation
from iris_ct.components.operations.trigger import TriggerOperation
from iris_ct.components.processes.batch_intake import BatchIntake
from iris_ct.components.processes.training_cycle import TrainingCycle
from iris_ct.components.services.dataset_inbox import DatasetInbox
from iris_ct.components.services.housekeeping import Housekeeping
from iris_ct.components.services.requests import Requests
from iris_ct.components.services.schedule import Schedule
from iris_ct.components.services.tables import TableFeed

production = Production("CT.Production", actor_pool_size=2)

inbox = production.service("Inbox", DatasetInbox, adapter_settings={"CallInterval": "1"})
# Often, since a batch is sent at the first poll that finds the one before stored.
tables = production.service("Tables", TableFeed, adapter_settings={"CallInterval": "2"})
requests = production.service("Requests", Requests, pool_size=0)
# No job of its own: a task wakes it, `CT.WakeTask` on IRIS, `embedded.WAKES` elsewhere.
schedule = production.service("Schedule", Schedule, pool_size=0)
housekeeping = production.service(
    "Housekeeping", Housekeeping, adapter_settings={"CallInterval": "10"}
)

# One file after the other, so that batches keep the order of their arrival.
intake = production.process("Intake", BatchIntake, pool_size=1)
cycle = production.process("Cycle", TrainingCycle, pool_size=2)

ingestion = production.operation("Ingestion", IngestionOperation)
observation = production.operation("Observation", ObservationOperation)
drift = production.operation("Drift", DriftDetectionOperation)
trigger = production.operation("Trigger", TriggerOperation)
training = production.operation("Training", TrainingOperation)
evaluation = production.operation("Evaluation", EvaluationOperation)
promotion = production.operation("Promotion", PromotionOperation)
registration = production.operation("Registration", RegistrationOperation)
notification = production.operation("Notification", NotificationOperation)
calls = production.operation("Calls", CallsOperation)
invoke_model = production.operation("InvokeModel", InvokeModelOperation)
alert = production.operation("Ens.Alert", AlertOperation)

production.connect(inbox.Intake, intake)
production.connect(tables.Intake, intake)
production.connect(requests.Intake, intake)
production.connect(requests.Trigger, trigger)
production.connect(requests.Cycle, cycle)
production.connect(requests.Promotion, promotion)
production.connect(requests.Registration, registration)
production.connect(requests.Notification, notification)
production.connect(schedule.Trigger, trigger)
production.connect(schedule.Cycle, cycle)
production.connect(housekeeping.Registration, registration)
production.connect(housekeeping.Notification, notification)

production.connect(intake.Ingestion, ingestion)
production.connect(intake.Observation, observation)
production.connect(intake.Drift, drift)
production.connect(intake.Trigger, trigger)
production.connect(intake.Cycle, cycle)
production.connect(intake.Notification, notification)

production.connect(cycle.Training, training)
production.connect(cycle.Evaluation, evaluation)
production.connect(cycle.Promotion, promotion)
production.connect(cycle.Registration, registration)
production.connect(cycle.Drift, drift)
production.connect(cycle.Trigger, trigger)
production.connect(cycle.Notification, notification)

production.connect(registration.Notification, notification)
production.connect(calls.Trigger, trigger)
production.connect(calls.Cycle, cycle)
production.connect(calls.Notification, notification)
production.connect(alert.Notification, notification)
