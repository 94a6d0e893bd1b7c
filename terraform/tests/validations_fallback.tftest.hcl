mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "fallback_refuses_none_where_it_is_enabled" {
  command = plan
  variables {
    enable_gke_fallback   = true
    fallback_origin_token = "0123456789abcdef0123456789abcdef"
  }
  expect_failures = [var.fallback]
}

run "fallback_refuses_one_domain_for_both" {
  command = plan
  variables {
    fallback = { domain = "predict.example.com", origin_domain = "predict.example.com" }
  }
  expect_failures = [var.fallback]
}

run "fallback_refuses_an_unknown_channel" {
  command = plan
  variables {
    fallback = { domain = "predict.example.com", origin_domain = "gke.example.com", release_channel = "EXTENDED" }
  }
  expect_failures = [var.fallback]
}

run "fallback_refuses_no_requests_at_all" {
  command = plan
  variables {
    fallback = { domain = "predict.example.com", origin_domain = "gke.example.com", requests_per_minute = 0 }
  }
  expect_failures = [var.fallback]
}

run "fallback_origin_token_refuses_a_short_one" {
  command = plan
  variables {
    enable_gke_fallback   = true
    fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
    fallback_origin_token = "short"
  }
  expect_failures = [var.fallback_origin_token]
}
