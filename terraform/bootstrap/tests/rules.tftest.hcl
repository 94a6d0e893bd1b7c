mock_provider "google" {}

mock_provider "google-beta" {}

variables {
  project_id = "example-dev"
  region     = "europe-west1"
}

run "a_state_can_be_brought_back" {
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled && !google_storage_bucket.state.force_destroy
    error_message = "A lost state means importing everything by hand."
  }
}

run "the_state_is_not_public" {
  command = plan

  assert {
    condition     = google_storage_bucket.state.public_access_prevention == "enforced" && google_storage_bucket.state.uniform_bucket_level_access
    error_message = "The state has secrets in it."
  }
}

run "an_api_stays_enabled_for_others" {
  command = plan

  assert {
    condition     = alltrue([for api in google_project_service.this : api.disable_on_destroy == false])
    error_message = "Taking this away would break what others run in the project."
  }
}

run "accounts_of_google_are_there_before_they_are_granted_anything" {
  command = plan

  assert {
    condition     = toset([for one in google_project_service_identity.this : one.service]) == toset([for one in ["artifactregistry", "cloudfunctions", "compute", "dataflow", "eventarc", "iap", "pubsub", "run", "workflows"] : "${one}.googleapis.com"])
    error_message = "A grant to an account that is not there is refused."
  }
}

run "a_part_brings_its_own_apis" {
  command = plan
  variables { parts = ["tables"] }

  assert {
    condition     = contains(keys(google_project_service.this), "bigquery.googleapis.com") && length(setintersection(keys(google_project_service.this), ["compute.googleapis.com", "container.googleapis.com", "dataflow.googleapis.com"])) == 0 && !contains(keys(google_project_service_identity.this), "compute")
    error_message = "The APIs are not those of tables alone."
  }
}

run "parts_refuses_what_is_none" {
  command = plan
  variables {
    parts = ["events"]
  }
  expect_failures = [var.parts]
}

run "project_id_refuses_a_number" {
  command = plan
  variables {
    project_id = "123456789012"
  }
  expect_failures = [var.project_id]
}

run "region_refuses_a_zone" {
  command = plan
  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}
