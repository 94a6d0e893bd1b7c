# One key of Cloud KMS for everything that is kept here. Each of Google's
# services uses it as an account of its own, which must be granted it first.
data "google_bigquery_default_service_account" "this" {
  count = var.kms_key == null || !local.tables ? 0 : 1
}

data "google_storage_project_service_account" "this" {
  count = var.kms_key == null && length(local._arriving) == 0 ? 0 : 1
}

locals {
  # The functions' build and their services are encrypted too, and Eventarc's account is asked for every function:
  # https://cloud.google.com/functions/docs/securing/cmek
  _key_users = var.kms_key == null ? {} : merge({
    artifact_registry = local.agents.artifact_registry
    eventarc          = local.agents.eventarc
    functions         = local.agents.functions
    pubsub            = local.agents.pubsub
    run               = local.agents.run
    storage           = data.google_storage_project_service_account.this[0].member
    }, !local.tables ? {} : {
    bigquery = data.google_bigquery_default_service_account.this[0].member
    }, length(local._dataflow) == 0 ? {} : {
    compute  = local.agents.compute
    dataflow = local.agents.dataflow
    }, length(local._arriving) == 0 ? {} : {
    workflows = local.agents.workflows
  })
}

resource "google_kms_crypto_key_iam_member" "this" {
  for_each      = local._key_users
  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
