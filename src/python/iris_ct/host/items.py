"""One item of a production, read and checked; every reason why it cannot run, collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import iop

from iris_ct.host.actions import DEFAULT_ACTIONS, Rule, parse_actions
from iris_ct.host.defaults import DefaultSetting, most_specific
from iris_ct.host.schedule import Schedule, parse_schedule

POLLING_ADAPTER = "Ens.InboundAdapter"
CALL_INTERVAL = "CallInterval"
ALERT_ITEM = "Ens.Alert"

# IRIS' own defaults, seconds.
_CALL_INTERVAL_S = 5.0
_MIN_CALL_INTERVAL_S = 0.1
_RETRY_INTERVAL_S = 5.0
_FAILURE_TIMEOUT_S = 15.0

# Settings of IRIS' own business hosts that this host heeds. iop's strict validation knows only a
# component's own settings, so a production passes these as ``other_settings``; both are read.
HEEDED_SETTINGS = frozenset(
    {
        "RetryInterval",
        "FailureTimeout",
        "ReplyCodeActions",
        "AlertOnError",
        "QueueCountAlert",
        "QueueWaitAlert",
    }
)

_KINDS: dict[str, type] = {
    "service": iop.BusinessService,
    "process": iop.BusinessProcess,
    "operation": iop.BusinessOperation,
}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True)
class ItemSpec:
    """One item of the production, as the host runs it. Durations in seconds."""

    name: str
    kind: str
    component_class: type[Any]
    pool_size: int
    enabled: bool
    schedule: Schedule
    settings: Mapping[str, Any]
    polls: bool
    call_interval_s: float
    retry_interval_s: float
    failure_timeout_s: float
    reply_actions: tuple[Rule, ...]
    alert_on_error: bool
    queue_count_alert: int
    queue_wait_alert_s: float

    @property
    def slots(self) -> tuple[str, ...]:
        """Addresses of the slots that work for this item."""
        return tuple(f"{self.name}#{number}" for number in range(self.pool_size))


@dataclass
class ItemReader:
    """Reads one item and collects what is wrong with it."""

    production: iop.Production
    ref: iop.ComponentRef
    wake_s: float | None = None
    defaults: tuple[DefaultSetting, ...] = ()
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Merge what the class declares, what is left open, and what the production says."""
        component_class = self.ref.component_class
        # A class may declare IRIS' own settings to give them other defaults.
        declared = {
            name: _default_of(getattr(component_class, name))
            for name in HEEDED_SETTINGS
            if hasattr(component_class, name)
        }
        given_host = self._merged("Host", self.ref.host_settings)
        given_adapter = self._merged("Adapter", self.ref.adapter_settings)
        left_open = self._left_open()
        adapter = {n: v for n, v in left_open.items() if n == CALL_INTERVAL}
        host = {n: v for n, v in left_open.items() if n != CALL_INTERVAL}
        self._host_settings = declared | host | given_host
        self._adapter_settings = adapter | given_adapter

    def _left_open(self) -> dict[str, str]:
        """Give the default settings for this item."""
        ref = self.ref
        fitting = most_specific(
            self.defaults, self.production.name, ref.name, ref.class_name or ""
        )
        values = {}
        for name, default in fitting.items():
            if self._takes(name):
                values[name] = default.value
            elif default.item == ref.name:
                self._problem(f"default setting {name} is none of this item's")
        return values

    def _takes(self, name: str) -> bool:
        component_class = self.ref.component_class
        if name == CALL_INTERVAL:
            return self._has_polling_adapter()
        if name in HEEDED_SETTINGS:
            # IRIS gives them to every item; those about queues and retries to what takes requests.
            return name == "AlertOnError" or self.ref.kind != "service"
        return component_class is not None and (
            hasattr(component_class, name) or name in _hints(component_class)
        )

    def _merged(self, where: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        merged = dict(settings)
        for other in self.ref.other_settings:
            if other.get("@Target") == where:
                merged[str(other.get("@Name"))] = other.get("#text", "")
        return merged

    def read(self) -> ItemSpec | None:
        """Give the item; None if anything is wrong with it."""
        ref = self.ref
        component_class = ref.component_class
        kind = self._kind(component_class)
        pool_size = self._pool_size(kind)
        polls = self._polls()
        spec_numbers = {
            "call_interval_s": self._call_interval(),
            "retry_interval_s": self._seconds(
                self._host_settings, "RetryInterval", _RETRY_INTERVAL_S, 0.0
            ),
            "failure_timeout_s": self._seconds(
                self._host_settings, "FailureTimeout", _FAILURE_TIMEOUT_S, -1.0
            ),
            "queue_wait_alert_s": self._seconds(self._host_settings, "QueueWaitAlert", 0.0, 0.0),
        }
        longest = self._whole("QueueCountAlert", self._host_settings.get("QueueCountAlert") or 0)
        schedule = self._parsed("schedule", parse_schedule, ref.schedule, Schedule())
        actions = str(self._host_settings.get("ReplyCodeActions") or DEFAULT_ACTIONS)
        rules: tuple[Rule, ...] = self._parsed("ReplyCodeActions", parse_actions, actions, ())
        enabled = self._flag("enabled", ref.enabled)
        alert = self._flag("AlertOnError", self._host_settings.get("AlertOnError") or False)
        if component_class is None:
            return None
        self._check_targets(component_class)
        settings = self._settings(component_class)
        if self.problems:
            return None
        return ItemSpec(
            name=ref.name,
            kind=kind,
            component_class=component_class,
            pool_size=pool_size,
            enabled=enabled,
            schedule=schedule,
            settings=settings,
            polls=polls,
            reply_actions=rules,
            alert_on_error=alert and ref.name != ALERT_ITEM,
            queue_count_alert=longest,
            **spec_numbers,
        )

    def _problem(self, what: str) -> None:
        self.problems.append(f"item {self.ref.name!r}: {what}")

    def _kind(self, component_class: type | None) -> str:
        if component_class is None:
            self._problem(f"class {self.ref.class_name} is not a Python class")
            return self.ref.kind
        for kind, base in _KINDS.items():
            if issubclass(component_class, base):
                return kind
        self._problem(
            f"{component_class.__qualname__} is no BusinessService, BusinessProcess or "
            "BusinessOperation of iop"
        )
        return self.ref.kind

    def _pool_size(self, kind: str) -> int:
        size = self._whole("pool size", self.ref.pool_size)
        if size == 0 and kind == "process":
            # IRIS lends such a process the shared actor pool; here it gets slots of that number.
            return max(1, self._whole("actor pool size", self.production.actor_pool_size))
        # A service without a pool is called by its caller; one slot takes those calls here.
        return max(1, size) if kind == "service" else size

    def _whole(self, what: str, value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if number < 0:
            self._problem(f"{what} is {value!r}, expected a whole number of 0 or more")
            return 0
        return number

    def _polls(self) -> bool:
        """Say whether the item's slot calls it without input: by itself, or because it is woken."""
        adapter = self.ref.adapter_class_name or ""
        if adapter not in {"", POLLING_ADAPTER}:
            self._problem(
                f"adapter {adapter} is not available without IRIS; expected none or "
                f"{POLLING_ADAPTER} (PollingBusinessService)"
            )
        has_job = self._whole("pool size", self.ref.pool_size) > 0
        if self.wake_s is None:
            return self._has_polling_adapter() and has_job
        if not self._has_polling_adapter():
            self._problem("a wake is given for it, but it is no PollingBusinessService")
        elif has_job:
            self._problem("a wake is given for it, but it polls by itself; give it pool size 0")
        return True

    def _has_polling_adapter(self) -> bool:
        return self.ref.adapter_class_name == POLLING_ADAPTER

    def _call_interval(self) -> float:
        settings = self._adapter_settings
        if self.wake_s is not None:
            settings = {CALL_INTERVAL: self.wake_s}
        return self._seconds(settings, CALL_INTERVAL, _CALL_INTERVAL_S, _MIN_CALL_INTERVAL_S)

    def _seconds(
        self, settings: Mapping[str, Any], name: str, default: float, lowest: float
    ) -> float:
        value = settings.get(name)
        if value in {None, ""}:
            return default
        try:
            number = float(str(value))
        except ValueError:
            self._problem(f"{name} is {value!r}, expected a number of seconds")
            return default
        if number < lowest:
            self._problem(f"{name} is {value!r}, expected {lowest:g} or more")
        return number

    def _flag(self, name: str, value: object) -> bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            self._problem(f"{name} is {value!r}, expected true or false")
        return word in _TRUE

    def _parsed(self, name: str, parse: Any, text: str, default: Any) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            self._problem(f"{name}: {error}")
            return default

    def _check_targets(self, component_class: type) -> None:
        for name, declared in _targets(component_class).items():
            value = self._host_settings.get(name) or declared.default
            if not value:
                self._problem(f"target {name} is not connected; add prod.connect(...) for it")
                continue
            for target in str(value).split(","):
                self._check_target(name, target.strip())

    def _check_target(self, name: str, target: str) -> None:
        found = [ref for ref in self.production.items if ref.name == target]
        if not found:
            self._problem(f"target {name} is {target!r}, which is no item of the production")
        elif found[0].component_class is not None and issubclass(
            found[0].component_class, iop.BusinessService
        ):
            self._problem(f"target {name} is {target!r}, a service; services take no requests")

    def _settings(self, component_class: type) -> dict[str, Any]:
        hints = _hints(component_class)
        values: dict[str, Any] = {}
        for name, value in self._host_settings.items():
            # Names with % are those of iop's proxy class, which there is none of here.
            if value in {None, ""} or name in HEEDED_SETTINGS or name.startswith("%"):
                continue
            if not (hasattr(component_class, name) or name in hints):
                self._problem(
                    f"setting {name} is neither the component's nor one this host heeds "
                    f"({', '.join(sorted(HEEDED_SETTINGS))})"
                )
                continue
            wanted = _setting_type(component_class, name, hints)
            try:
                values[name] = _convert(value, wanted)
            except ValueError:
                self._problem(f"setting {name} is {value!r}, expected {wanted.__name__}")
        return values


def _default_of(declared: Any) -> Any:
    """Give the default of a class attribute, which may be a declared setting."""
    if isinstance(declared, iop.Setting):
        return declared.default if declared.has_default else None
    return declared


def _targets(component_class: type) -> dict[str, iop.TargetSetting]:
    found = {}
    for base in reversed(component_class.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, iop.TargetSetting):
                found[name] = value
    return found


def _hints(component_class: type) -> dict[str, Any]:
    try:
        return get_type_hints(component_class)
    except NameError:
        # An annotation that only a type checker can resolve; the default's type decides then.
        return {}


def _setting_type(component_class: type, name: str, hints: Mapping[str, Any]) -> type:
    declared = getattr(component_class, name, None)
    if isinstance(declared, iop.Setting):
        candidates = [declared.data_type, hints.get(name), type(getattr(declared, "default", ""))]
    else:
        candidates = [hints.get(name), type(declared)]
    return next((c for c in candidates if c in {bool, int, float, str}), str)


def _convert(value: object, wanted: type) -> object:
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    if wanted is bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(value)
        return word in _TRUE
    return wanted(str(value))
