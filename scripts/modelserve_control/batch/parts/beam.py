"""Parts as the elements of an Apache Beam pipeline: never rows. Imported only for `--runner`; Beam is the extra `beam`.

What a part became stands in its own footer, so that nothing has to come back from the workers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from modelserve.core.errors import BadSetting, ServeError
from modelserve_control.batch.parts.part import Job, Part, PartScorer, open_output, open_scorer, read_counts
from modelserve_control.batch.writing import Counts
from modelserve_control.common.progress import Lines, Progress


class PipelineFailed(ServeError):
    """Beam's runner ended in another state than done."""

    code = "PIPELINE_FAILED"


class ScorePart(beam.DoFn):  # type: ignore[misc]  # Beam has no types here
    """Loads the model once for each instance."""

    def __init__(self, job: Job) -> None:
        self.job = asdict(job)
        self.stack: ExitStack | None = None
        self.scorer: PartScorer | None = None

    def process(self, element: str) -> Iterator[str]:
        if self.scorer is None:
            self.stack = ExitStack()
            self.scorer = self.stack.enter_context(open_scorer(Job(**self.job), Lines()))
        part = Part(**json.loads(element))
        self.scorer.score(part)
        yield part.name

    def teardown(self) -> None:
        if self.stack is not None:
            self.stack.close()
        self.stack = self.scorer = None


@dataclass(frozen=True)
class BeamRunner:
    """`options` are Beam's own, as on its command line."""

    name: str
    options: Sequence[str] = ()

    def __call__(self, job: Job, parts: Sequence[Part], progress: Progress) -> Iterator[tuple[Part, Counts]]:
        """Raises PipelineFailed."""
        if parts:
            progress.say(f"{len(parts):,} parts for the {self.name}")
            self.run(job, parts)
        with open_output(job.output) as (objects, prefix):
            for part in parts:
                yield part, read_counts(objects, f"{prefix}{part.name}")

    def run(self, job: Job, parts: Sequence[Part]) -> None:
        result: Any = self.build(job, parts).run()
        try:
            state = str(result.wait_until_finish())
        except KeyboardInterrupt:
            result.cancel()  # workers elsewhere would go on, and cost
            raise
        except Exception as error:  # Beam's runners have no class in common
            raise PipelineFailed(f"The {self.name} failed: {error}") from error
        if state != "DONE":
            raise PipelineFailed(f"The pipeline ended as {state}; the {self.name} has its messages.")

    def build(self, job: Job, parts: Sequence[Part]) -> beam.Pipeline:
        """Raises BadSetting for options that Beam's own check refuses."""
        try:
            pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={self.name}", *self.options]))
        except ValueError as error:
            raise BadSetting(f"Beam refuses the options of the {self.name}: {error}") from error
        (
            pipeline
            | "parts" >> beam.Create([json.dumps(asdict(part)) for part in parts])
            | "apart" >> beam.Reshuffle()
            | "score" >> beam.ParDo(ScorePart(job))
        )
        return pipeline
