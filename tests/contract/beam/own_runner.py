"""Two pipelines on a runner of the test's own, which Beam loads by its name: one fails, and one runs until it is cancelled."""

from __future__ import annotations

import signal
from typing import Any

from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from modelserve_control.batch.parts.beam import BeamRunner, PipelineFailed
from modelserve_control.batch.parts.part import Job, Part
from modelserve_control.common.output import terminate_as_interrupt


class Running(PipelineResult):  # type: ignore[misc]  # Beam has no types here
    def wait_until_finish(self, duration: int | None = None) -> str:
        print("running", flush=True)
        while True:
            signal.pause()

    def cancel(self) -> None:
        print("cancelled", flush=True)


class Failing(PipelineResult):  # type: ignore[misc]  # Beam has no types here
    def wait_until_finish(self, duration: int | None = None) -> str:
        raise RuntimeError("a worker has no disk")


class OwnRunner(PipelineRunner):  # type: ignore[misc]  # Beam has no types here
    def run_pipeline(self, pipeline: Any, options: Any) -> PipelineResult:
        return (Failing if "failing" in options.get_all_options(retain_unknown_options=True) else Running)(
            PipelineState.RUNNING
        )


if __name__ == "__main__":
    terminate_as_interrupt()
    job = Job("gs://bucket/models/churn/versions/1", "strict", None, 10_000, "gs://bucket/out/", "", "")
    parts = [Part("gs://bucket/in/0", "0", "key")]
    try:
        BeamRunner("own_runner.OwnRunner", ["--failing"]).run(job, parts)
    except PipelineFailed as error:
        print(error.message, flush=True)
    try:
        BeamRunner("own_runner.OwnRunner").run(job, parts)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
