"""What a worker answers: a call in, an answer out, a record for the log between them.

No socket and no process here: the worker process, the gateway that scores by itself and the WSGI
application all use it.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from iris_ct.core.errors import DataError, JournalFullError
from iris_ct.core.scoring.inputs import Outputs
from iris_ct.core.scoring.record import Entry, Truth, record_of
from iris_ct.core.scoring.scorer import Scorer
from iris_ct.core.wire import codec, open_inference_outputs, seldon_feedback
from iris_ct.core.wire.exchange import Asked, Contributions, Served
from iris_ct.core.wire.refusal import MLFLOW, OPEN_INFERENCE, SELDON, WireError, error_body
from iris_ct.serving.frames import (
    FEEDBACK,
    OPEN_INFERENCE_METADATA,
    SELDON_METADATA,
    Answer,
    Call,
)

_PREDICTIONS = frozenset({SELDON, OPEN_INFERENCE, MLFLOW})
# In whose words errors of the others are said.
_ERRORS = {
    FEEDBACK: SELDON,
    SELDON_METADATA: SELDON,
    OPEN_INFERENCE_METADATA: OPEN_INFERENCE,
}


class Journal(Protocol):
    """Where predictions wait for the log; `adapters.journal.JournalWriter` is one."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep all, or raise `JournalFullError`."""


class WorkerApp:
    """Answers calls for one version of a model; usable from any thread.

    Parameters
    ----------
    scorer : Scorer
        The version.
    journal : Journal or None
        Gets a record of every prediction that is to be logged; None keeps none.
    now_us : callable
        Microseconds since 1970 in UTC.
    """

    def __init__(
        self,
        scorer: Scorer,
        journal: Journal | None,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._scorer = scorer
        self._journal = journal
        self._now_us = now_us
        signature = scorer.signature
        self._model, self._version = signature.model, signature.version
        self._target = signature.target

    def answer(self, call: Call) -> Answer:
        """Answer one call; see `answer_all`."""
        return self.answer_all([call])[0]

    def answer_all(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls, in their order.

        All that is to be logged is in the journal when this returns, by one write. If the journal
        takes no more, what should be logged is answered with 503 instead, and is not; if it fails
        otherwise, with 500.
        """
        done = [self._answer(call) for call in calls]
        entries = [entry for _, entry in done if entry is not None]
        if entries and self._journal is not None:
            try:
                self._journal.append(entries)
            except JournalFullError as error:
                status, text = 503, str(error)
            except Exception as error:  # noqa: BLE001 - no request may end the process
                _log_failure(calls[0], error)
                status, text = 500, "The answer could not be logged; the service's log says why."
            else:
                return [answer for answer, _ in done]
            return [
                answer if entry is None else _refusal(call, status, text)
                for call, (answer, entry) in zip(calls, done, strict=True)
            ]
        return [answer for answer, _ in done]

    def _answer(self, call: Call) -> tuple[Answer, Entry | None]:
        try:
            if call.protocol in _PREDICTIONS:
                return self._predict(call)
            if call.protocol == FEEDBACK:
                return self._take_feedback(call)
            return self._describe(call), None
        except WireError as error:
            return _refusal(call, error.status, error.text), None
        except DataError as error:
            return _refusal(call, 400, str(error)), None
        except Exception as error:  # noqa: BLE001 - no request may end the process
            _log_failure(call, error)
            text = f"The model failed ({type(error).__name__}); the service's log says where."
            return _refusal(call, 500, text), None

    def _predict(self, call: Call) -> tuple[Answer, Entry | None]:
        asked = codec.decode(call.protocol, call.body, call.content_type, call.headers)
        outputs = self._scorer.score(asked.inputs)
        contributions = None
        if asked.explain or call.explain:
            contributions = self._explain(asked, outputs)
        reply = codec.encode(
            asked,
            outputs,
            self._served(call),
            puid=call.puid,
            routing={call.service: branch_number(call.branch)} if call.service else None,
            contributions=contributions,
        )
        answer = Answer(
            200, reply.body, reply.content_type, len(outputs.prediction), dict(reply.headers)
        )
        if not call.log:
            return answer, None
        return answer, record_of(
            outputs,
            puid=asked.request_id or call.puid,
            model=self._model,
            version=self._version,
            at_us=self._now_us(),
            service=call.service,
            branch=call.branch,
            shadow=call.shadow,
            once=call.again,
        )

    def _explain(self, asked: Asked, outputs: Outputs) -> Contributions:
        """Share out the raw scores; of several classes those of the one that is predicted."""
        names, values = self._scorer.contributions(asked.inputs)
        if values.ndim == 3:
            labels = outputs.prediction
            places = np.array([outputs.classes.index(str(label)) for label in labels])
            values = values[np.arange(len(places)), places]
        return Contributions(names, values)

    def _served(self, call: Call) -> Served:
        # Clients of the open inference protocol know the name that they asked.
        name = call.service if call.protocol == OPEN_INFERENCE and call.service else self._model
        image = call.image or f"{self._model}:{self._version}"
        return Served(name, str(self._version), image, self._target)

    def _take_feedback(self, call: Call) -> tuple[Answer, Entry | None]:
        feedback = seldon_feedback.decode(call.body, call.content_type)
        puid = feedback.puid or call.puid
        truth = None
        if feedback.truth is not None:
            if not feedback.puid:
                raise WireError(
                    400,
                    "The feedback has a truth and does not say of which answer: expected its "
                    "puid in response.meta.puid.",
                )
            values = seldon_feedback.truth_values(
                feedback.truth,
                self._target,
                are_numbers=not self._scorer.signature.classes,
            )
            truth = Truth(puid, call.service, self._model, self._now_us(), values)
        metrics: list[dict[str, object]] = [{"type": "COUNTER", "key": "feedback", "value": 1}]
        if feedback.reward is not None:
            metrics.append({"type": "GAUGE", "key": "feedback_reward", "value": feedback.reward})
        return Answer(200, seldon_feedback.answer(puid), metrics=metrics), truth

    def _describe(self, call: Call) -> Answer:
        if call.protocol not in (OPEN_INFERENCE_METADATA, SELDON_METADATA):
            raise WireError(404, "There is no such protocol.")
        name = call.service or self._model
        signature = self._scorer.signature
        body = open_inference_outputs.model_metadata(name, [str(self._version)], signature)
        return Answer(200, body)


def branch_number(branch: str) -> int:
    """Give a branch's number in ``meta.routing``: a is 0, b is 1.

    Examples
    --------
    >>> branch_number("b"), branch_number("shadow")
    (1, 0)
    """
    return ord(branch) - ord("a") if len(branch) == 1 and "a" <= branch <= "z" else 0


def _refusal(call: Call, status: int, text: str) -> Answer:
    return Answer(status, error_body(_ERRORS.get(call.protocol, call.protocol), status, text))


def _log_failure(call: Call, error: Exception) -> None:
    """Say where it failed; what the error says may hold values of rows, and is left out."""
    where = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    named = f"request {call.puid} of {call.service or call.image} failed"
    sys.stderr.write(f"{named}: {type(error).__name__}\n{where}\n")
    sys.stderr.flush()
