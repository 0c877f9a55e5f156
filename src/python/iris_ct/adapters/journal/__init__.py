"""The durable queue of predictions: append-only segments, written before the answers go out.

A segment is a file ``<microseconds>-<token>.journal``: a head of eight bytes, then records. A
record is its length and its CRC-32 (each 32 bits, little endian) and the record as msgpack. One
``append`` is one ``write``: what it has written survives the end of the process, however that
ends. A thread syncs to the disk every ``sync_s`` seconds: a loss of power can take that much.

A segment ends at the first mark `END`. Whoever folds the queue may write it, also into the
segment of a process that lives or of one that was killed. A writer needs no lock for that: writes
that append follow one another, and after each the writer looks where it ended. If that is further
than its own bytes reach, the mark came before them: they do not count, and the writer writes them
once more into another segment. Only who makes, seals or shortens a file holds its lock (``flock``).

Light on purpose: nothing but the standard library, msgspec and NumPy is imported.
"""

from iris_ct.adapters.journal.folder import FolderJournal
from iris_ct.adapters.journal.segment import END, HEAD, journal_dir
from iris_ct.adapters.journal.writer import MAX_BYTES, JournalWriter

__all__ = ["END", "HEAD", "MAX_BYTES", "FolderJournal", "JournalWriter", "journal_dir"]
