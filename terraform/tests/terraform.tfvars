# Every test file has these: Terraform reads this file by itself.
environment    = "dev"
model          = { name = "churn" }
project_id     = "example-dev"
region         = "europe-west1"
source_archive = "modelserve-0123456789abcdef.zip"
