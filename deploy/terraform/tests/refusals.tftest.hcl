# Wrong input is refused before anything is made.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
}

run "one_subnet_is_not_enough" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a1b2c3d4e5f60718"]
  }
  expect_failures = [var.subnet_ids]
}

run "an_image_without_a_tag" {
  command = plan
  variables {
    image = "registry.example.com/interaction-worker"
  }
  expect_failures = [var.image]
}

run "an_image_called_latest" {
  command = plan
  variables {
    image = "registry.example.com/interaction-worker:latest"
  }
  expect_failures = [var.image]
}

run "memory_that_fargate_does_not_pair_with_the_cpu" {
  command = plan
  variables {
    cpu    = 256
    memory = 4096
  }
  expect_failures = [var.memory]
}

run "a_delay_longer_than_sqs_can" {
  command = plan
  variables {
    delivery_delay_seconds = 901
  }
  expect_failures = [var.delivery_delay_seconds]
}

run "a_wait_for_the_end_beyond_what_the_state_machine_retries" {
  command = plan
  variables {
    final_wait_seconds = 3601
  }
  expect_failures = [var.final_wait_seconds]
}

run "a_lag_before_the_event" {
  command = plan
  variables {
    details_lag_seconds = -1
  }
  expect_failures = [var.details_lag_seconds]
}

# The worker takes an empty setting for its default, so that an empty list would wait for customer.end after all.
run "no_event_that_ends_an_interaction" {
  command = plan
  variables {
    end_event_types = []
  }
  expect_failures = [var.end_event_types]
}

run "two_event_types_in_one" {
  command = plan
  variables {
    end_event_types = ["customer.end,acw"]
  }
  expect_failures = [var.end_event_types]
}

run "a_record_that_the_worker_does_not_know" {
  command = plan
  variables {
    record = "full"
  }
  expect_failures = [var.record]
}

run "no_events_at_all" {
  command = plan
  variables {
    custom_events  = null
    partner_events = null
  }
  expect_failures = [var.partner_events]
}

run "a_details_path_without_the_id" {
  command = plan
  variables {
    genesys_details_path = "/api/v2/conversations"
  }
  expect_failures = [var.genesys_details_path]
}

run "a_password_in_an_open_setting" {
  command = plan
  variables {
    shared_cache_url = "rediss://user:password@cache.example.com:6379"
    environment      = { GENESYS_CLIENT_SECRET = "x" }
  }
  expect_failures = [var.shared_cache_url, var.environment]
}

run "two_keys_at_once" {
  command = plan
  variables {
    kms_key_arn    = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000"
    create_kms_key = true
  }
  expect_failures = [var.create_kms_key]
}

run "fewer_tasks_at_most_than_at_least" {
  command = plan
  variables {
    min_tasks = 3
    max_tasks = 2
  }
  expect_failures = [var.max_tasks]
}

run "a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables {
    log_retention_days = 45
  }
  expect_failures = [var.log_retention_days]
}

run "events_that_wait_for_another_execution_are_no_dead_letters" {
  command = plan
  variables {
    max_receive_count = 149
  }
  expect_failures = [var.max_receive_count]
}

run "more_tasks_than_may_poll_an_activity" {
  command = plan
  variables {
    max_tasks = 6
  }
  expect_failures = [aws_sfn_activity.this]
}

run "more_tasks_than_may_poll_are_no_matter_where_the_allowance_fills_fewer" {
  command = plan
  variables {
    max_tasks                   = 20
    genesys_requests_per_minute = 60
  }
}

run "more_slots_than_may_poll_an_activity" {
  command = plan
  variables {
    max_concurrency = 251
  }
  expect_failures = [aws_sfn_activity.this]
}

run "more_slots_in_the_environment_than_may_poll_an_activity" {
  command = plan
  variables {
    max_tasks   = 5
    environment = { MAX_CONCURRENCY = "101" }
  }
  expect_failures = [aws_sfn_activity.this]
}

run "slots_in_the_environment_that_are_no_number" {
  command = plan
  variables {
    environment = { MAX_CONCURRENCY = "many" }
  }
  expect_failures = [var.environment]
}
