# The console behind Identity-Aware Proxy: docs/console-cloud.md. It is read-only, because the history of an alias would name this
# account, not the person.
locals {
  _console = var.console == null ? toset([]) : toset(["console"])

  # Cloud Run's address of the service, known before it exists; the console answers to no other.
  console_url = "https://${var.name}-console-${data.google_project.this.number}.${var.region}.run.app"

  _console_batches = flatten([for one in local.batches : ["--batches", "gs://${join("/", one.to)}"] if one.to != null])
}

resource "google_cloud_run_v2_service" "console" {
  for_each            = local._console
  name                = "${var.name}-console"
  location            = var.region
  description         = "Shows the life of the models, read-only"
  deletion_protection = false # it keeps nothing
  iap_enabled         = true
  ingress             = "INGRESS_TRAFFIC_ALL"

  template {
    encryption_key  = var.kms_key
    service_account = google_service_account.this["console"].email
    timeout         = "900s" # a comparison takes as long as its rows

    # A report is only in the process that made it.
    scaling {
      max_instance_count = 1
    }

    containers {
      image = var.control_image
      args  = concat(["console", "--host", "0.0.0.0", "--port", "8080", "--origin", local.console_url, "--store", "gs://${google_storage_bucket.this["models"].name}"], local._console_batches, var.console.arguments)
      ports {
        container_port = 8080
      }
      resources {
        limits = { cpu = var.console.cpu, memory = var.console.memory }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

# Only the proxy may call it.
resource "google_cloud_run_v2_service_iam_member" "proxy" {
  for_each = google_cloud_run_v2_service.console
  name     = each.value.name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.agents.iap

  lifecycle {
    replace_triggered_by = [google_cloud_run_v2_service.console[each.key].id]
  }
}

resource "google_iap_web_cloud_run_service_iam_member" "people" {
  for_each               = var.console == null ? toset([]) : toset(var.console.members)
  cloud_run_service_name = google_cloud_run_v2_service.console["console"].name
  location               = var.region
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.key

  lifecycle {
    replace_triggered_by = [google_cloud_run_v2_service.console["console"].id]
  }
}

resource "google_storage_bucket_iam_member" "console_reads" {
  for_each = var.console == null ? toset([]) : toset([for one in local.batches : one.to[0] if one.to != null])
  bucket   = each.key
  role     = "roles/storage.objectViewer"
  member   = local.members.console
}
