# Run with -test-directory=tests/environments and the variables of an
# environment: -var-file=environments/prod.tfvars -var=source_archive=PATH

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

run "and_one_apply" {
  command = apply
}
