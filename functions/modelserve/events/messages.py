"""From messages to their results and rejected records. Messages share one call of the model if its rows are
independent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from modelserve.core.coalescer import chunks
from modelserve.core.errors import BadInput, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events import records
from modelserve.events.envelopes import Message
from modelserve.events.outbox import ScoredMessage
from modelserve.events.records import Records, RejectedRecord
from modelserve.events.results import Result, make_result
from modelserve.http.bodies import off_loop, too_large
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.payloads import Limits
from modelserve.schema.batch import Batch, concatenate, split

Outcome = ScoredMessage | Exception  # an exception asks for redelivery: a ServeError, or too little memory here


class EventTooOld(BadInput):
    code = "EVENT_TOO_OLD"


@dataclass(slots=True)
class Job:
    """One batch of one message. `rows` is its outcome: a result per row, or why there is none."""

    batch: Batch
    records: Records
    rows: Sequence[RowResult] | Exception = ()


@dataclass(slots=True)
class ParsedMessage:
    message: Message
    records: Records
    jobs: list[Job] = field(default_factory=list)  # once the records are checked
    unknown_categories: Sequence[int] = ()  # the cells of each row; empty for a version that knows no categories


class MessageScorer:
    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.limits = Limits.from_settings(settings)

    async def score(self, loaded: Loaded, messages: Sequence[Message]) -> list[Outcome]:
        size = sum(len(message.data) for message in messages)
        found, merged = await off_loop(size, lambda: self._decode(loaded, messages))
        parsed = [one for one in found if isinstance(one, ParsedMessage)]
        if loaded.categories:
            await self._count_unknown(loaded, parsed, merged)
        scored = await self._score_merged(loaded, parsed, merged) if merged else None
        outcomes = iter(scored or await self._score_jobs(loaded, parsed, one_by_one=merged is not None))
        return [next(outcomes) if isinstance(one, ParsedMessage) else one for one in found]

    async def _count_unknown(self, loaded: Loaded, parsed: Sequence[ParsedMessage], merged: Batch | None) -> None:
        batches = [merged] if merged else [job.batch for one in parsed for job in one.jobs]
        sizes = [one.records.table.rows if merged else sum(job.batch.rows for job in one.jobs) for one in parsed]

        def count() -> list[int]:
            return [cells for batch in batches for cells in loaded.count_unknown(batch) or [0] * batch.rows]

        counts = await scoring.for_rows(sum(sizes), count)
        for one, part in zip(parsed, scoring.deal(counts, sizes), strict=True):
            one.unknown_categories = part
        self.metrics.count("unknown_categories", sum(counts))

    def _decode(
        self, loaded: Loaded, messages: Sequence[Message]
    ) -> tuple[list[ParsedMessage | Outcome], Batch | None]:
        """Also returns all rows as one batch if possible, since checking the rows of each message costs far more."""
        found = [self._attempt(loaded, message, partial(self._parse, loaded, message)) for message in messages]
        parsed = [one for one in found if isinstance(one, ParsedMessage)]
        if len(parsed) > 1 and loaded.runtime.mergeable:
            every = [one.records for one in parsed]
            merged = records.check_merged(every, loaded.signature, self.settings.max_batch_rows)
            if merged is not None:
                return found, merged
        checked = [
            self._attempt(loaded, one.message, partial(self._check, loaded, one))
            if isinstance(one, ParsedMessage)
            else one
            for one in found
        ]
        return checked, None

    def _attempt(self, loaded: Loaded, message: Message, step: Callable[[], ParsedMessage]) -> ParsedMessage | Outcome:
        try:
            return step()
        except BadInput as error:
            return reject(loaded, message, error)
        except (ServeError, MemoryError) as error:  # another instance may have the memory
            return error
        except Exception as error:
            # Whatever it is, the same bytes would raise it at every delivery.
            failure = ServeError("The server failed to decode the message; its log says how.")
            failure.__cause__ = error
            return reject(loaded, message, failure)

    def _parse(self, loaded: Loaded, message: Message) -> ParsedMessage:
        settings = self.settings
        if message.error is not None:
            raise message.error
        if message.published is not None:
            age = (datetime.now(UTC) - message.published).total_seconds()
            if age > settings.event_max_age_seconds:
                raise EventTooOld(f"The message is older than {settings.event_max_age_seconds:g} s.")
        if len(message.data) > settings.max_request_bytes:
            raise too_large(settings.max_request_bytes)
        found = records.parse(
            message.data, loaded.signature, self.limits, settings.event_features_field, settings.event_id_field
        )
        return ParsedMessage(message, found)

    def _check(self, loaded: Loaded, parsed: ParsedMessage) -> ParsedMessage:
        parsed.jobs = [Job(batch, parsed.records) for batch in records.check(parsed.records, loaded.signature)]
        return parsed

    async def _score_merged(
        self, loaded: Loaded, parsed: Sequence[ParsedMessage], merged: Batch
    ) -> list[Outcome] | None:
        """None if the model fails; each message then has its own batch, to find the one at fault."""
        sizes = [one.records.table.rows for one in parsed]
        try:
            rows = await scoring.row_results(loaded, merged, {}, None)
        except Exception:
            for one, batch in zip(parsed, split(merged, sizes), strict=True):
                one.jobs = [Job(batch, one.records)]
            return None
        return [
            self._make_outcome(loaded, one, part) for one, part in zip(parsed, scoring.deal(rows, sizes), strict=True)
        ]

    async def _score_jobs(self, loaded: Loaded, parsed: Sequence[ParsedMessage], one_by_one: bool) -> list[Outcome]:
        one_by_one = one_by_one or not loaded.runtime.mergeable
        groups: dict[Any, list[Job]] = {}
        for job in chain.from_iterable(one.jobs for one in parsed):
            groups.setdefault(id(job) if one_by_one else batch_key(job), []).append(job)
        calls = chain.from_iterable(
            chunks(group, lambda job: (job.batch.rows,), (self.settings.max_batch_rows,)) for group in groups.values()
        )
        await asyncio.gather(*(score_together(loaded, call) for call in calls))
        return [self._join_jobs(loaded, one) for one in parsed]

    def _join_jobs(self, loaded: Loaded, parsed: ParsedMessage) -> Outcome:
        rows: list[RowResult] = []
        for job in parsed.jobs:
            if isinstance(job.rows, BadInput):
                return reject(loaded, parsed.message, job.rows)
            if isinstance(job.rows, Exception):
                return job.rows
            rows += job.rows
        return self._make_outcome(loaded, parsed, rows)

    def _make_outcome(self, loaded: Loaded, parsed: ParsedMessage, rows: Sequence[RowResult]) -> Outcome:
        """If all records fail, the model may be at fault and the message is redelivered; otherwise the failed ones
        are rejected."""
        found = parsed.records
        failed = {row: one for row, one in enumerate(rows) if isinstance(one, ServeError)}
        if len(failed) == len(rows) and (errors := [one for one in failed.values() if one.retryable]):
            return errors[0]
        try:
            results = [
                self._make_result(loaded, parsed, row, prediction)
                for row, prediction in zip(range(len(found.places)), rows, strict=True)
                if not isinstance(prediction, ServeError)
            ]
        except Exception as error:  # a model may give what has no form in JSON
            return error
        self.metrics.count("rows", len(results))
        rejected = [records.reject_row(found, row, error) for row, error in failed.items()]
        return ScoredMessage(loaded.name, results, found.rejected + rejected)

    def _make_result(self, loaded: Loaded, parsed: ParsedMessage, row: int, prediction: dict[str, Any]) -> Result:
        found, message_id = parsed.records, parsed.message.message_id
        place, own = found.places[row], found.ids[row]
        if own is None:
            own = f"{message_id}-{place}" if len(found.places) + len(found.rejected) > 1 else message_id
        if self.settings.event_id_field:
            prediction = {**prediction, self.settings.event_id_field: own}
        unknown = parsed.unknown_categories[row] if parsed.unknown_categories else 0
        return make_result(loaded.name, loaded.version, prediction, str(own), message_id, place, unknown)


def reject(loaded: Loaded, message: Message, error: ServeError) -> ScoredMessage:
    return ScoredMessage(loaded.name, [], [RejectedRecord(None, message.data, error)])


def batch_key(job: Job) -> Any:
    dtypes = tuple((name, column.dtype, column.shape[1:]) for name, column in job.batch.columns.items())
    return dtypes, repr(job.records.params), job.records.method


async def score_together(loaded: Loaded, jobs: Sequence[Job]) -> None:
    try:
        first = jobs[0].records
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
