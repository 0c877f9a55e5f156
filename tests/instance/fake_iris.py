"""A module ``iris`` of its own for a test: what the product uses of IRIS, and nothing else.

Tables are lists of rows; the SELECTs of `iris_ct.instance.headers` are answered by their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

HEADER = [
    "ID",
    "SessionId",
    "Type",
    "Status",
    "IsError",
    "SourceConfigName",
    "TargetConfigName",
    "MessageBodyClassName",
    "MessageBodyId",
    "CorrespondingMessageId",
    "TimeCreated",
    "TimeProcessed",
]


@dataclass
class NativeObject:
    """An object of a class of IRIS: properties that are set, and no others."""

    class_name: str
    properties: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.properties[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"class_name", "properties"}:
            super().__setattr__(name, value)
        else:
            self.properties[name] = value


@dataclass
class _Class:
    iris: FakeIris
    name: str

    def _New(self) -> NativeObject:
        return NativeObject(self.name)

    def _OpenId(self, identifier: Any) -> Any:
        return self.iris.bodies.get(int(identifier), "")


@dataclass
class FakeIris:
    """Headers, events and bodies by id; ``asked`` holds every SELECT with what was bound."""

    headers: list[dict[str, Any]] = field(default_factory=list)
    events: list[Sequence[Any]] = field(default_factory=list)
    bodies: dict[int, NativeObject] = field(default_factory=dict)
    user: str = "Ada"
    open_transactions: int = 0
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    @property
    def sql(self) -> FakeIris:
        return self

    def tlevel(self) -> int:
        return self.open_transactions

    def cls(self, name: str) -> _Class:
        return _Class(self, name)

    def execute(self, code: str) -> str:
        assert code == "return $username"
        return self.user

    def prepare(self, text: str) -> _Statement:
        return _Statement(self, text)

    def header(self, identifier: int, session: int, **said: Any) -> None:
        """Add a message header; what is not said is what IRIS leaves empty."""
        empty = dict.fromkeys(HEADER, "")
        self.headers.append(
            {**empty, "ID": identifier, "SessionId": session, "IsError": 0, **said}
        )

    def body(self, identifier: int, class_name: str, json_text: str) -> None:
        """Add a message of Python."""
        self.bodies[identifier] = NativeObject(
            "IOP.Message", {"classname": class_name, "json": json_text, "type": "String"}
        )


@dataclass
class _Statement:
    iris: FakeIris
    text: str

    def execute(self, *given: Any) -> Iterator[list[Any]]:
        self.iris.asked.append((self.text, given))
        return iter(self._rows(*given))

    def _rows(self, *given: Any) -> list[list[Any]]:
        headers = sorted(self.iris.headers, key=lambda header: int(header["ID"]))
        if self.text.startswith("SELECT COUNT(*) FROM Ens.MessageHeader"):
            session = given[0] if given else None
            active = [
                header
                for header in headers
                if header["Status"] in {1, 2, 3, 6} and session in {None, header["SessionId"]}
            ]
            return [[len(active)]]
        if self.text.startswith("SELECT TOP ? SessionId"):
            return [[header["SessionId"]] for header in reversed(headers)][: given[0]]
        if self.text.startswith("SELECT ID, SessionId, Type"):
            assert "FROM Ens.MessageHeader WHERE SessionId = ? ORDER BY ID" in self.text
            return [
                [header[name] for name in HEADER]
                for header in headers
                if header["SessionId"] == given[0]
            ]
        if self.text.startswith("SELECT MessageId, Text FROM Ens_Util.Log"):
            return [
                [event[3], event[7]]
                for event in self.iris.events
                if event[4] == given[0] and event[9] == 2
            ]
        assert self.text.startswith("SELECT TOP ? ID, ConfigName, Job, MessageId, SessionId")
        found = [list(event) for event in self.iris.events if event[0] > given[1]]
        return found[::-1][: given[0]]
