environment           = "prod"
project_id            = "example-prod"
region                = "europe-west1"
deploy_needs_approval = true

model = {
  name = "churn"
}

# One instance of each is always warm; a second starts before the first is full.
predict = {
  max_instances = 50
  min_instances = 1
}
predict_event = {
  max_instances = 50
  min_instances = 1
}
