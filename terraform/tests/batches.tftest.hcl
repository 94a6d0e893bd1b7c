mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

override_resource {
  target = google_service_account.this["start"]
  values = {
    email  = "start@example-dev.iam.gserviceaccount.com"
    member = "serviceAccount:start@example-dev.iam.gserviceaccount.com"
    id     = "projects/example-dev/serviceAccounts/start@example-dev.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.this["dataflow"]
  values = {
    email  = "dataflow@example-dev.iam.gserviceaccount.com"
    member = "serviceAccount:dataflow@example-dev.iam.gserviceaccount.com"
    name   = "projects/example-dev/serviceAccounts/dataflow@example-dev.iam.gserviceaccount.com"
  }
}

variables {
  beam_image    = "europe-west1-docker.pkg.dev/images/beam/batch@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  control_image = "example/control@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  batches = {
    arriving = {
      model      = "flight_delay@champion"
      input      = "gs://in/day/"
      output     = "gs://out/scored/"
      on_arrival = true
    }
    monthly = {
      model           = "churn@champion"
      input           = "gs://in/{year}-{month}.parquet"
      output          = "gs://out/{year}/{month}/"
      arguments       = ["--month", "last"]
      schedule        = "0 6 1 * *"
      attempts        = 1
      memory          = "8Gi"
      timeout_seconds = 60
    }
    large = {
      model    = "churn@champion"
      input    = "gs://large/*.parquet"
      output   = "gs://out/\"large\"/"
      dataflow = { subnetwork = "regions/europe-west1/subnetworks/workers" }
    }
    tables = {
      model    = "churn@champion"
      input    = "bq://other.com:sales.orders.of_{year}"
      output   = "bq://example-dev.scores.churn"
      schedule = "0 6 * * *"
    }
  }
}

# Made once; what follows is planned against it, so every value is known.
run "batches_are_one_apply" {
  assert {
    condition = google_cloud_run_v2_job.batch["monthly"].template[0].template[0].containers[0].args == tolist([
      "score", "churn@champion", "--input", "gs://in/{year}-{month}.parquet", "--output", "gs://out/{year}/{month}/", "--store", "gs://example-dev-modelserve-models", "--month", "last"
    ])
    error_message = "The job would score something else than was asked for."
  }
}

run "a_schedule_starts_its_own_job_as_the_account_that_may" {
  command = plan

  assert {
    condition     = endswith(google_cloud_scheduler_job.batch["monthly"].http_target[0].uri, "/projects/example-dev/locations/europe-west1/jobs/modelserve-batch-monthly:run") && google_cloud_scheduler_job.batch["monthly"].http_target[0].oauth_token[0].service_account_email == "start@example-dev.iam.gserviceaccount.com"
    error_message = "Another job would be started, or none."
  }

  assert {
    condition     = keys(google_cloud_scheduler_job.batch) == ["monthly", "tables"] && keys(google_eventarc_trigger.arrival) == ["arriving"]
    error_message = "A batch would be started by what it was not given."
  }
}

run "a_file_that_arrives_is_the_input_and_names_its_output" {
  command = plan

  assert {
    condition = strcontains(google_workflows_workflow.arrival["arriving"].source_contents, jsonencode([
      "score", "flight_delay@champion", "--input", "$${\"gs://in/\" + file}", "--output", "$${\"gs://out/scored/\" + file + \"/\"}", "--store", "gs://example-dev-modelserve-models"
    ]))
    error_message = "Two files would be written to one place, or the wrong one scored."
  }
}

run "only_what_arrives_below_the_input_starts_it" {
  command = plan

  assert {
    condition     = google_storage_notification.arrivals["arriving"].bucket == "in" && google_storage_notification.arrivals["arriving"].object_name_prefix == "day/"
    error_message = "Files that are no input would be scored."
  }
}

run "only_a_batch_for_files_may_be_started_with_other_arguments" {
  command = plan

  assert {
    condition     = { for key, one in google_cloud_run_v2_job_iam_member.start_runs : key => one.role } == { arriving = "roles/run.jobsExecutorWithOverrides", large = "roles/run.invoker", monthly = "roles/run.invoker", tables = "roles/run.invoker" }
    error_message = "What starts a batch could let it read and write something else."
  }
}

run "outputs_alone_are_written" {
  command = plan

  assert {
    condition     = toset([for one in google_storage_bucket_iam_member.batch_writes : one.condition[0].expression]) == toset(["resource.name.startsWith(\"projects/_/buckets/out/objects/scored/\")", "resource.name.startsWith(\"projects/_/buckets/out/objects/\\\"large\\\"/\")", "resource.name.startsWith(\"projects/_/buckets/out/objects/\")"])
    error_message = "A batch could overwrite what it only reads, or could not write."
  }

  assert {
    condition     = toset([for one in google_storage_bucket_iam_member.batch_reads : one.bucket]) == toset(["in", "large", "out"])
    error_message = "A batch cannot read its input, or look what it has written."
  }
}

run "a_table_is_reached_by_its_dataset" {
  command = plan

  assert {
    condition     = { for key, one in google_bigquery_dataset_iam_member.batch : key => "${one.project} ${one.dataset_id} ${one.role}" } == { "other.com:sales.orders/roles/bigquery.dataViewer" = "other.com:sales orders roles/bigquery.dataViewer", "example-dev.scores/roles/bigquery.dataEditor" = "example-dev scores roles/bigquery.dataEditor" }
    error_message = "A batch cannot read its table, could write it, or cannot make its output."
  }
}

run "a_batch_on_dataflow_runs_in_the_image_of_its_workers" {
  command = plan

  assert {
    condition     = { for key, one in google_cloud_run_v2_job.batch : key => one.template[0].template[0].containers[0].image if one.template[0].template[0].containers[0].command == tolist(["modelserve"]) } == { large = var.beam_image }
    error_message = "Who submits has no Beam, or another than the workers."
  }
}

run "its_workers_have_an_account_a_subnetwork_and_no_address_outside" {
  command = plan

  assert {
    condition = slice(google_cloud_run_v2_job.batch["large"].template[0].template[0].containers[0].args, 8, 18) == tolist([
      "--runner", "DataflowRunner", "--project", "example-dev", "--region", "europe-west1", "--temp-location", "gs://example-dev-modelserve-temp/large", "--container-image", var.beam_image
    ])
    error_message = "Dataflow would be given another image, or a place of somebody else."
  }

  assert {
    condition = slice(google_cloud_run_v2_job.batch["large"].template[0].template[0].containers[0].args, 18, length(google_cloud_run_v2_job.batch["large"].template[0].template[0].containers[0].args)) == tolist(flatten([for one in [
      "labels=application=modelserve", "labels=batch=large", "labels=environment=dev", "max_num_workers=10", "no_use_public_ips",
      "service_account_email=dataflow@example-dev.iam.gserviceaccount.com", "subnetwork=regions/europe-west1/subnetworks/workers"
    ] : ["--beam", one]]))
    error_message = "The workers run as somebody else, somewhere else, or are more than was asked."
  }
}

run "workers_write_outputs_alone_and_pull_from_one_repository" {
  command = plan

  assert {
    condition     = [for one in google_storage_bucket_iam_member.dataflow_writes : one.condition[0].expression] == ["resource.name.startsWith(\"projects/_/buckets/out/objects/\\\"large\\\"/\")"] && keys(google_storage_bucket_iam_member.dataflow_reads) == ["large", "out"]
    error_message = "A worker could overwrite what it only reads, or cannot write."
  }

  assert {
    condition     = [for one in google_artifact_registry_repository_iam_member.dataflow_pulls : "${one.location} ${one.project} ${one.repository}"] == ["europe-west1 images beam"]
    error_message = "A worker cannot pull its image, or others too."
  }
}

run "what_is_asked_of_a_machine_reaches_it" {
  command = plan

  assert {
    condition     = { for key, one in google_cloud_run_v2_job.batch : key => "${one.template[0].template[0].max_retries} ${one.template[0].template[0].timeout} ${one.template[0].template[0].containers[0].resources[0].limits.memory}" } == { arriving = "2 3600s 4Gi", large = "2 3600s 4Gi", monthly = "0 60s 8Gi", tables = "2 3600s 4Gi" }
    error_message = "A batch would end for want of memory, or be tried more often than was asked."
  }
}

run "without_tables_and_dataflow_there_is_nothing_of_them" {
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/" } }
  }

  assert {
    condition     = length(google_bigquery_dataset_iam_member.batch) == 0 && [for key in keys(google_project_iam_member.this) : key if startswith(key, "batch/")] == []
    error_message = "A batch of files may use BigQuery."
  }

  assert {
    condition     = !contains(keys(google_service_account.this), "dataflow") && !contains(keys(google_storage_bucket.this), "temp") && length(google_artifact_registry_repository_iam_member.dataflow_pulls) == 0
    error_message = "What Dataflow needs is there without it."
  }
}

run "without_batches_there_is_nothing_of_them" {
  variables {
    batches = {}
  }

  assert {
    condition     = length(google_cloud_run_v2_job.batch) + length(google_pubsub_topic.arrivals) + length(google_workflows_workflow.arrival) == 0 && !contains(keys(google_service_account.this), "batch") && !contains(keys(google_service_account.this), "start")
    error_message = "An account that nothing runs as is still there."
  }
}
