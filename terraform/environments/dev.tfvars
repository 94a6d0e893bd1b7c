environment           = "dev"
project_id            = "example-dev"
region                = "europe-west1"
deletion_protection   = false
deploy_needs_approval = false

model = {
  name = "churn"
}

# Nothing is kept warm, and little can be spent by mistake.
predict = {
  max_instances = 2
}
predict_event = {
  max_instances = 2
}

retention_days = {
  dead_letter = 7
  input       = 1
  predictions = 1
}
