# Who may call a function is decided on its Cloud Run service, which has the
# function's name; the function itself does not take this role. A service that
# is made anew has no grants: hashicorp/terraform-provider-google#18308.

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = { for key, one in local.functions : key => "${one.prefix}push" if one.entry_point == "predict_event" }
  name     = google_cloudfunctions2_function.this[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members[each.value]

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this[each.key].id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = merge([for prefix, one in local.models : {
    for member in concat(one.invokers, var.allow_unauthenticated ? ["allUsers"] : []) : "${prefix}${member}" => { function = "${prefix}predict", member = member }
  }]...)
  name     = basename(google_cloudfunctions2_function.this[each.value.function].id) # not known when it is made anew, so this is, too
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value.member
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
