# What an environment may add, all at once: the policies look at this too.
beam_image            = "europe-west1-docker.pkg.dev/example-prod/modelserve-images/modelserve-beam@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
control_image         = "europe-west1-docker.pkg.dev/example-prod/modelserve-images/modelserve-control@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
enable_gke_fallback   = true
fallback_origin_token = "0123456789abcdef0123456789abcdef"
invokers              = ["serviceAccount:app@example-prod.iam.gserviceaccount.com"]
kms_key               = "projects/example-prod/locations/europe-west1/keyRings/modelserve/cryptoKeys/modelserve"
input_schema          = "{\"type\": \"record\", \"name\": \"churn\", \"fields\": []}"
notification_emails   = ["team@example.com"]
producers             = ["serviceAccount:shop@example-prod.iam.gserviceaccount.com"]
repository            = "projects/example-prod/locations/europe-west1/connections/github/repositories/modelserve"

alerts = {
  quiet_hours = 6
}

batches = {
  arriving = {
    model      = "flight_delay@champion"
    input      = "gs://example-prod-batches/in/"
    output     = "gs://example-prod-batches/out/"
    on_arrival = true
  }
  monthly = {
    model     = "churn@champion"
    input     = "gs://example-prod-batches/{year}-{month}.parquet"
    output    = "gs://example-prod-batches/scores/{year}/{month}/"
    arguments = ["--month", "last"]
    schedule  = "0 6 1 * *"
  }
  large = {
    model     = "churn@champion"
    input     = "gs://example-prod-batches/large/*.parquet"
    output    = "gs://example-prod-batches/large-scores/"
    schedule  = "0 6 2 * *"
    arguments = ["--beam", "machine_type=n2-standard-4"]
    dataflow = {
      max_workers = 20
      subnetwork  = "regions/europe-west1/subnetworks/default"
    }
  }
  tables = {
    model     = "churn@champion"
    input     = "bq://example-prod.modelserve.prediction_log"
    output    = "bq://example-prod.scores.churn"
    arguments = ["--overwrite"]
    schedule  = "0 6 * * *"
  }
}

budget = {
  amount          = 500
  billing_account = "012345-6789AB-CDEF01"
}

console = {
  members = ["group:team@example.com"]
}

fallback = {
  domain              = "predict.example.com"
  origin_domain       = "gke.example.com"
  requests_per_minute = 6000
}

prediction_log = {
  percent = 50
  without = ["tenure"]
}

predict = {
  ingress = "ALLOW_ALL"
  secrets = {
    API_KEY = { secret = "api-key" }
  }
  binary_authorization = "projects/example-prod/platforms/cloudRun/policies/default"
  vpc = {
    network    = "default"
    subnetwork = "default"
    tags       = ["serving"]
  }
}

schedules = {
  drift   = "0 6 * * *"
  retrain = "0 3 * * 1"
}

shadow = {
  percent = 50
}

models = {
  flights = {
    name         = "flight_delay"
    input_schema = "{\"type\": \"record\", \"name\": \"flight\", \"fields\": []}"
    invokers     = ["serviceAccount:app@example-prod.iam.gserviceaccount.com"]
    producers    = ["serviceAccount:shop@example-prod.iam.gserviceaccount.com"]
    predict = {
      secrets = { FLIGHTS_KEY = { secret = "api-key" } }
    }
    predict_event = {
      environment     = { EVENT_FEATURES_FIELD = "flight" }
      timeout_seconds = 120
    }
  }
}
