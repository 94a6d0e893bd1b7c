"""Plans of Terraform, as it makes them: against the provider's own schema, with the rig of tests/infra."""

from __future__ import annotations

import json
from typing import Any, Final

from infra.terraform import Workspace

# From nothing to what is there, and then what builds plan; the last two of them with the fallback.
RUNS: Final = """
mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  mock_resource "google_service_account" {
    defaults = {
      email  = "somebody@example-prod.iam.gserviceaccount.com"
      member = "serviceAccount:somebody@example-prod.iam.gserviceaccount.com"
      name   = "projects/example-prod/serviceAccounts/somebody@example-prod.iam.gserviceaccount.com"
    }
  }
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

run "first" {
  command = plan
}

run "there" {}

run "nothing_new" {
  command = plan
}

run "new_code" {
  command = plan
  variables { source_archive = "modelserve-fedcba9876543210.zip" }
}

run "new_code_and_a_grant" {
  command = plan
  variables {
    source_archive = "modelserve-fedcba9876543210.zip"
    producers      = ["serviceAccount:shop@example-prod.iam.gserviceaccount.com"]
  }
}

run "another_model" {
  command = plan
  variables { model = { name = "flights", alias = "challenger" } }
}

run "two_models" {
  command = plan
  variables { models = { flights = { name = "flight_delay" } } }
}

run "with_the_fallback" {
  variables { enable_gke_fallback = true }
}

run "new_code_with_the_fallback" {
  command = plan
  variables {
    enable_gke_fallback = true
    source_archive      = "modelserve-fedcba9876543210.zip"
  }
}
"""
VARIABLES: Final = """
source_archive        = "modelserve-0123456789abcdef.zip"
fallback_origin_token = "0123456789abcdef0123456789abcdef"
fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
"""

Plan = dict[str, Any]


def plans(workspace: Workspace) -> dict[str, Plan]:
    """What `terraform show -json` would say of each run that only plans."""
    tests = workspace.directory / "tests" / "pipeline"
    tests.mkdir()
    (tests / "plans.tftest.hcl").write_text(RUNS)
    (tests / "plans.tfvars").write_text(VARIABLES)
    files = ("environments/prod.tfvars", "tests/pipeline/plans.tfvars")
    words = ("-test-directory=tests/pipeline", *(f"-var-file={file}" for file in files))
    done = workspace.run("test", "-json", "-verbose", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["@testrun"]: event["test_plan"] for event in events if event["type"] == "test_plan"}
