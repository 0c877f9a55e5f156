"""Runs an iop production without IRIS: the same classes, the same graph, durable messages.

This package knows nothing of what the production is about and imports no other room of the
product. `Host` runs a production, `HostClient` talks to a running one from another process.
"""

from iris_ct.host.client import HostClient
from iris_ct.host.defaults import DefaultSetting, read_defaults
from iris_ct.host.director import EmbeddedDirector
from iris_ct.host.errors import (
    ComponentStartError,
    HostError,
    HostLockedError,
    HostStoppedError,
    MessageStateError,
    PlanError,
    ReplayMismatchError,
    RequestFailedError,
    RequestTimeoutError,
    StoreError,
    TargetUnknownError,
    UnsupportedError,
    UploadError,
)
from iris_ct.host.host import Host
from iris_ct.host.keeper import HostKeeper
from iris_ct.host.lock import HolderInfo, keeping
from iris_ct.host.plan import HostPlan, ItemSpec, load_production, wakes_of
from iris_ct.host.records import EventRow, SessionRow, TraceRow
from iris_ct.host.records import Message as StoredMessage
from iris_ct.host.upload_check import UploadCheck
from iris_ct.host.uploads import Upload, Uploads

__all__ = [
    "ComponentStartError",
    "DefaultSetting",
    "EmbeddedDirector",
    "EventRow",
    "HolderInfo",
    "Host",
    "HostClient",
    "HostError",
    "HostKeeper",
    "HostLockedError",
    "HostPlan",
    "HostStoppedError",
    "ItemSpec",
    "MessageStateError",
    "PlanError",
    "ReplayMismatchError",
    "RequestFailedError",
    "RequestTimeoutError",
    "SessionRow",
    "StoreError",
    "StoredMessage",
    "TargetUnknownError",
    "TraceRow",
    "UnsupportedError",
    "Upload",
    "UploadCheck",
    "UploadError",
    "Uploads",
    "keeping",
    "load_production",
    "read_defaults",
    "wakes_of",
]
