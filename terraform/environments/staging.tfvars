environment           = "staging"
project_id            = "example-staging"
region                = "europe-west1"
deletion_protection   = false
deploy_needs_approval = false

model = {
  name = "churn"
}

# As production, with fewer instances: what is tried here is what runs there.
predict = {
  ingress       = "ALLOW_ALL"
  max_instances = 5
  min_instances = 0
}
predict_event = {
  max_instances = 5
}
