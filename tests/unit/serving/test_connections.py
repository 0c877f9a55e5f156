"""Connections whose clients do not read are cut off; others may take their time."""

from __future__ import annotations

from iris_ct.serving.connections import Connection, close_late

KEEP_ALIVE_S = 75


class Transport:
    """A transport with bytes that are not sent."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.n_bytes

    def abort(self) -> None:
        self.is_aborted = True


def looked_at(sizes: list[int]) -> list[bool]:
    """Look each 50 s, with so many bytes unsent; say whether the connection was cut off then."""
    connection, transport = Connection.__new__(Connection), Transport()
    connection.transport = transport  # type: ignore[assignment]  # a fake with what is asked of it
    connection.timeout_keep_alive = KEEP_ALIVE_S
    told = []
    for number, size in enumerate(sizes):
        transport.n_bytes = size
        close_late([connection], 50.0 * number, 10.0)
        told.append(transport.is_aborted)
    return told


def test_what_nobody_reads_is_not_kept() -> None:
    assert looked_at([100, 100, 100]) == [False, False, True]
    assert looked_at([0, 0, 0, 100, 100, 100]) == [False] * 5 + [True]


def test_who_reads_slowly_goes_on() -> None:
    assert not any(looked_at([300, 200, 100, 0, 0, 0]))
    assert not any(looked_at([300, 300, 200, 200, 100, 100]))
