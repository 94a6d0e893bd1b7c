"""The job that Beam's own client would send to Dataflow for our pipeline: `dataflow_job.py OPTIONS`. Nothing is sent.

Writes as JSON the options as Beam knows them and the job's environment in Google's types.
"""

from __future__ import annotations

import json
import sys

from apache_beam.runners.dataflow.internal import apiclient
from apache_beam.transforms.environments import DockerEnvironment

from modelserve.core.errors import BadSetting
from modelserve_control.batch.parts.beam import BeamRunner
from modelserve_control.batch.parts.part import Job, Part
from modelserve_control.batch.score import ScoreOptions

if __name__ == "__main__":
    options = ScoreOptions(**json.loads(sys.argv[1]))
    job = Job("gs://bucket/models/churn/versions/1", "strict", None, 10_000, options.output, "", "")
    try:
        pipeline = BeamRunner("DataflowRunner", options.beam_options()).build(
            job, [Part("gs://bucket/in/0", "0", "key")]
        )
    except BadSetting as error:
        sys.exit(error.message)
    image = DockerEnvironment.from_container_image(apiclient.get_container_image_from_options(pipeline.options))
    proto = pipeline.to_runner_api(default_environment=image)
    environment = apiclient.Environment([], pipeline.options, "11", "gs://bucket/pipeline", proto).proto
    found = {"known": pipeline.options.get_all_options(drop_default=True)}
    print(json.dumps({**found, "environment": type(environment).to_dict(environment)}, default=str))
