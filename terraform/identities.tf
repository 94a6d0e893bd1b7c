# One account per job. What each may do stands beside the resource it may do
# it to; the few grants on the project are in project_grants.tf.
locals {
  _identities = merge({
    build = "Builds the functions from their source archive"
    http  = "Runs the function predict"
    }, !local.events ? {} : {
    event = "Runs the function predict_event"
    push  = "Signs the messages that Pub/Sub pushes to predict_event"
    }, !local.pipeline ? {} : {
    deploy  = "Runs the pipeline of the main branch"
    retrain = "Trains, checks for drift and publishes versions"
    test    = "Runs the tests of pull requests, whose code nobody has read yet"
    }, length(var.batches) == 0 ? {} : {
    batch = "Scores batches"
    start = "Starts batches by schedules and when files arrive"
    }, length(local._dataflow) == 0 ? {} : {
    dataflow = "Scores batches as the workers of Dataflow"
    }, var.console == null ? {} : {
    console = "Runs the console"
  })

  identities = merge(local._identities, merge([for key in keys(var.models) : {
    for job in ["event", "http", "push"] : "${key}-${job}" => "${local._identities[job]} of ${key}" if contains(keys(local._identities), job)
  }]...))

  members = {
    for job, account in google_service_account.this : job => account.member
  }
}

resource "google_service_account" "this" {
  for_each     = local.identities
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name} ${each.key}"
  description  = each.value
}

# The smoke test asks functions that let nobody in, and Cloud Build's metadata server gives no identity tokens.
resource "google_service_account_iam_member" "deploy_is_known" {
  count              = local.pipeline ? 1 : 0
  service_account_id = google_service_account.this["deploy"].name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.members.deploy
}

# Who deploys a function must be allowed to act as the account that runs it and as the account that builds it.
resource "google_service_account_iam_member" "deploy_acts_as" {
  for_each           = local.pipeline ? toset([for job in keys(local.identities) : job if contains(["build", "event", "http"], reverse(split("-", job))[0])]) : toset([])
  service_account_id = google_service_account.this[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.members.deploy
}
