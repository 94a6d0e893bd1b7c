# Who may call a function is decided on its Cloud Run service, which has the
# function's name; the function itself does not take this role. A service that
# is made anew has no grants: hashicorp/terraform-provider-google#18308.

resource "google_cloud_run_v2_service_iam_member" "push" {
  count    = local.events ? 1 : 0
  name     = google_cloudfunctions2_function.this["predict_event"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members.push

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this["predict_event"].id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = toset(var.allow_unauthenticated ? concat(var.invokers, ["allUsers"]) : var.invokers)
  name     = google_cloudfunctions2_function.this["predict"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this["predict"].id]
  }
}

# A new revision is asked at an address of its own before it gets requests.
resource "google_cloud_run_v2_service_iam_member" "deploy_tries" {
  for_each = { for key, one in local.functions : key => one.identity if local.pipeline }
  name     = google_cloudfunctions2_function.this[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members.deploy

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this[each.key].id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "deploy_splits_traffic" {
  for_each = { for key, one in local.functions : key => one.identity if local.pipeline }
  name     = google_cloudfunctions2_function.this[each.key].name
  location = var.region
  role     = "roles/run.developer"
  member   = local.members.deploy

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this[each.key].id]
  }
}

resource "google_cloudfunctions2_function_iam_member" "deploy_updates" {
  for_each       = { for key, one in local.functions : key => one.identity if local.pipeline }
  cloud_function = google_cloudfunctions2_function.this[each.key].name
  location       = var.region
  role           = "roles/cloudfunctions.developer"
  member         = local.members.deploy

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this[each.key].id]
  }
}
