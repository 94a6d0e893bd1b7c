"""What one message comes to, whichever way it came: its records scored, its predictions published, and what can never
be scored kept on the dead letter topic.

Messages that are there at the same time are scored in one call of the model, where its rows do not depend on each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from modelserve.core.errors import BadInput, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events import records
from modelserve.events.envelopes import Message
from modelserve.events.records import Bad, Records
from modelserve.events.results import Letter, Result, Results, make_letter, make_result
from modelserve.http.bodies import off_loop, too_large
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.payloads import Limits
from modelserve.schema.batch import Batch, concatenate, split

logger = logging.getLogger(__name__)


class TooOld(BadInput):
    code = "EVENT_TOO_OLD"


@dataclass(frozen=True, slots=True)
class Scored:
    """What one message came to. `model` is the name of that which made the results."""

    model: str
    results: list[Result]
    bad: list[Bad]


@dataclass(slots=True)
class Decoded:
    """The records of a message, and the batches that they are once they are checked."""

    message: Message
    found: Records
    batches: list[Batch] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """One batch of one message. `rows` is what came of it: a result per row, or why there is none."""

    batch: Batch
    found: Records
    rows: Sequence[RowResult] | Exception


class Messages:
    """`results` gives the publisher, which is made when the first message needs it."""

    def __init__(self, settings: Settings, metrics: Metrics, results: Callable[[], Results]) -> None:
        self.settings = settings
        self.metrics = metrics
        self.limits = Limits.from_settings(settings)
        self._make_results = results
        self._results: Results | None = None

    async def results(self) -> Results:
        """Raises BadSetting."""
        if self._results is None:
            self._results = await asyncio.to_thread(self._make_results)
        return self._results

    async def score(self, loaded: Loaded, messages: Sequence[Message]) -> list[Scored | Exception]:
        """What each message came to, or what may pass and asks for it again: a ServeError, or too little memory here."""
        size = sum(len(message.data) for message in messages)
        decoded, whole = await off_loop(size, lambda: self.decode(loaded, messages))
        usable = [one for one in decoded if isinstance(one, Decoded)]
        scored = await self.predict_at_once(loaded, usable, whole) if whole else None
        outcomes = iter(scored or await self.predict(loaded, usable, apart=whole is not None))
        return [next(outcomes) if isinstance(one, Decoded) else one for one in decoded]

    # --- in ---

    def decode(
        self, loaded: Loaded, messages: Sequence[Message]
    ) -> tuple[list[Decoded | Scored | Exception], Batch | None]:
        """Also all rows as one batch, where they may be scored at once: checking each message's own costs far more."""
        parsed = [self.attempt(loaded, message, partial(self.parse, loaded, message)) for message in messages]
        whole = self.check_at_once(loaded, [one for one in parsed if isinstance(one, Decoded)])
        if whole is not None:
            return parsed, whole
        checked = [
            self.attempt(loaded, one.message, partial(self.check, loaded, one)) if isinstance(one, Decoded) else one
            for one in parsed
        ]
        return checked, None

    def attempt(self, loaded: Loaded, message: Message, step: Callable[[], Decoded]) -> Decoded | Scored | Exception:
        try:
            return step()
        except BadInput as error:
            return Scored(loaded.name, [], [Bad(None, message.data, error)])
        except (ServeError, MemoryError) as error:  # another instance may have the memory
            return error
        except Exception as error:
            # Whatever it is, the same bytes would raise it at every delivery.
            failed = ServeError("The server failed to decode the message; its log says how.")
            failed.__cause__ = error
            return Scored(loaded.name, [], [Bad(None, message.data, failed)])

    def parse(self, loaded: Loaded, message: Message) -> Decoded:
        settings = self.settings
        self.check_age(message)
        if len(message.data) > settings.max_request_bytes:
            raise too_large(settings.max_request_bytes)
        found = records.parse(
            message.data, loaded.signature, self.limits, settings.event_features_field, settings.event_id_field
        )
        return Decoded(message, found)

    def check(self, loaded: Loaded, decoded: Decoded) -> Decoded:
        decoded.batches = records.check(decoded.found, loaded.signature)
        return decoded

    def check_at_once(self, loaded: Loaded, decoded: Sequence[Decoded]) -> Batch | None:
        if len(decoded) < 2 or not loaded.runtime.mergeable:
            return None
        return records.check_at_once([one.found for one in decoded], loaded.signature, self.settings.max_batch_rows)

    def check_age(self, message: Message) -> None:
        if message.published is None:
            return
        age = (datetime.now(UTC) - message.published).total_seconds()
        if age > self.settings.event_max_age_seconds:
            raise TooOld(f"The message is older than {self.settings.event_max_age_seconds:g} s.")

    # --- scored ---

    async def predict_at_once(
        self, loaded: Loaded, decoded: Sequence[Decoded], whole: Batch
    ) -> list[Scored | Exception] | None:
        """None when the model fails, with what `predict` needs to find the message at fault."""
        try:
            rows = await scoring.row_results(loaded, whole, {}, None)
        except Exception:
            for one, batch in zip(decoded, split(whole, [one.found.table.rows for one in decoded]), strict=True):
                one.batches = [batch]
            return None
        parts = scoring.deal(rows, [one.found.table.rows for one in decoded])
        return [self.scored(loaded, one, part) for one, part in zip(decoded, parts, strict=True)]

    async def predict(self, loaded: Loaded, decoded: Sequence[Decoded], apart: bool) -> list[Scored | Exception]:
        """`apart`: each batch by itself, since all of them together have failed already."""
        apart = apart or not loaded.runtime.mergeable
        jobs = [[Job(batch, one.found, []) for batch in one.batches] for one in decoded]
        alike: dict[Any, list[Job]] = {}
        for job in chain.from_iterable(jobs):
            alike.setdefault(id(job) if apart else kind_of(job), []).append(job)
        groups = chain.from_iterable(cut(group, self.settings.max_batch_rows) for group in alike.values())
        await asyncio.gather(*(score_together(loaded, group) for group in groups))
        return [self.outcome(loaded, one, own) for one, own in zip(decoded, jobs, strict=True)]

    def outcome(self, loaded: Loaded, decoded: Decoded, jobs: Sequence[Job]) -> Scored | Exception:
        predictions: list[RowResult] = []
        for job in jobs:
            if isinstance(job.rows, BadInput):
                return Scored(loaded.name, [], [Bad(None, decoded.message.data, job.rows)])
            if isinstance(job.rows, Exception):
                return job.rows
            predictions += job.rows
        return self.scored(loaded, decoded, predictions)

    def scored(self, loaded: Loaded, decoded: Decoded, predictions: Sequence[RowResult]) -> Scored | Exception:
        """If only some records get no answer, those go to the dead letters. If none gets one, the model may be at fault, so
        the message is redelivered."""
        found = decoded.found
        failed = {row: one for row, one in enumerate(predictions) if isinstance(one, ServeError)}
        if len(failed) == len(predictions) and (errors := [one for one in failed.values() if one.retryable]):
            return errors[0]
        several = len(found.places) + len(found.bad) > 1
        try:
            results = [
                self.result(loaded, decoded.message, found, row, prediction, several)
                for row, prediction in zip(range(len(found.places)), predictions, strict=True)
                if not isinstance(prediction, ServeError)
            ]
        except Exception as error:  # a model may give what has no form in JSON
            return error
        self.metrics.count("rows", len(results))
        bad = [records.bad_row(found, row, error) for row, error in failed.items()]
        return Scored(loaded.name, results, found.bad + bad)

    def result(
        self, loaded: Loaded, message: Message, found: Records, row: int, prediction: dict[str, Any], several: bool
    ) -> Result:
        place, own = found.places[row], found.ids[row]
        if own is None:
            own = f"{message.message_id}-{place}" if several else message.message_id
        if self.settings.event_id_field:
            prediction = {**prediction, self.settings.event_id_field: own}
        return make_result(loaded.name, loaded.version, prediction, str(own), message.message_id, place)

    # --- out ---

    def sent_back(self, message: Message, error: Exception) -> None:
        """It is to be delivered again."""
        self.metrics.count("events", outcome="retry")
        logger.warning("a message is sent back", exc_info=error, extra=fields(message, error))

    async def deliver(self, message: Message, scored: Scored) -> None:
        """Everything is accepted by Pub/Sub, or it raises and the message comes again.

        Results first: a second one has the id of the first, but a second dead letter is one more.
        """
        if not scored.results and not scored.bad:
            raise ServeError("The message came to nothing; it must not be acked.")
        results = await self.results()
        await results.publish_all(scored.model, scored.results)
        if scored.bad:
            await self.dead_letter(results, message, scored.bad)
        self.metrics.count("events", outcome="published")

    async def dead_letter(self, results: Results, message: Message, bad: Sequence[Bad]) -> None:
        first = bad[0].error
        if not results.dead_letters:
            raise first  # nowhere to keep it: let the subscription's own policy end it
        more = {"fields": fields(message, first)["fields"] | {"records": len(bad)}}
        logger.error("records go to the dead letter topic; this is why the first does", exc_info=first, extra=more)
        await results.dead_letter([letter(message, one) for one in bad])
        self.metrics.count("events", len(bad), outcome="dead_letter")


def kind_of(job: Job) -> Any:
    """Batches of the same kind can be one."""
    dtypes = tuple((name, column.dtype, column.shape[1:]) for name, column in job.batch.columns.items())
    return dtypes, repr(job.found.params), job.found.method


def cut(jobs: Sequence[Job], most: int) -> Iterator[list[Job]]:
    """Groups of at most so many rows, unless one alone has more."""
    group: list[Job] = []
    rows = 0
    for job in jobs:
        if group and rows + job.batch.rows > most:
            yield group
            group, rows = [], 0
        group.append(job)
        rows += job.batch.rows
    yield group


async def score_together(loaded: Loaded, jobs: Sequence[Job]) -> None:
    """In one call of the model, or each by itself when that fails: whoever is at fault must not spoil the others."""
    try:
        first = jobs[0].found
        batch = concatenate([job.batch for job in jobs])
        rows = await scoring.row_results(loaded, batch, first.params, first.method)
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].rows = error
            return
        await asyncio.gather(*(score_together(loaded, [job]) for job in jobs))
        return
    for job, part in zip(jobs, scoring.deal(rows, [job.batch.rows for job in jobs]), strict=True):
        job.rows = part


def letter(message: Message, bad: Bad) -> Letter:
    reason = {
        "error_code": bad.error.code,
        "error_message": explain(bad.error),
        "source_message_id": message.message_id,
    }
    if bad.place is not None:
        reason["record_place"] = str(bad.place)
    return make_letter(bad.data, message.attributes, reason)


def explain(error: ServeError) -> str:
    """The message and the bad cells: which column, and why."""
    cells = "; ".join(f"{detail['column']}: {detail['reason']}" for detail in error.details)
    return f"{error.message} {cells}" if cells else error.message


def fields(message: Message, error: Exception) -> dict[str, Any]:
    code = error.code if isinstance(error, ServeError) else ServeError.code
    return {"fields": {"message_id": message.message_id, "error_code": code}}
