# What the variables change.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = "registry.example.com/interaction-worker:0.1.0"
}

run "without_an_image_everything_but_the_service_exists" {
  variables {
    image = null
  }

  assert {
    condition     = length(aws_ecs_service.this) + length(aws_ecs_task_definition.worker) + length(aws_appautoscaling_target.this) == 0
    error_message = "no service without an image"
  }

  assert {
    condition     = length(setintersection(keys(aws_cloudwatch_metric_alarm.this), ["silent-intake", "no-running-tasks", "too-few-tasks", "no-events", "failed-deployment"])) == 0
    error_message = "no alarm about a service that is not meant to run yet"
  }

  assert {
    condition     = output.settings.EVENT_QUEUE_URL != null && output.ecr_repository_url != null
    error_message = "the rest is there"
  }
}

run "the_ceiling_knows_the_allowance_of_batches" {
  # 100 requests of 30 ids a minute are 50 interactions a second; at 3 s each that is 150 slots, 2 tasks of 75.
  variables {
    genesys_requests_per_minute = 100
    genesys_batch_size          = 30
    max_concurrency             = 75
    min_tasks                   = 1
  }

  assert {
    condition     = output.task_ceiling == 2 && aws_appautoscaling_target.this[0].max_capacity == 2
    error_message = "2 tasks use up the allowance"
  }

  assert {
    condition     = output.target_backlog_per_task == 1500
    error_message = "75 slots at 3 s work off 1,500 interactions in 60 s"
  }
}

run "the_ceiling_knows_the_quota_of_pollers" {
  # The allowance would fill 15 tasks of 100 slots, which is 3,000 polls in a rollout.
  assert {
    condition     = output.task_ceiling == 5 && aws_appautoscaling_target.this[0].max_capacity == 5
    error_message = "5 tasks of 100 slots, twice, are AWS's 1,000 pollers"
  }
}

run "the_ceiling_knows_the_slots_that_the_environment_sets" {
  command = plan
  variables {
    environment = { MAX_CONCURRENCY = "250" }
  }

  assert {
    condition     = output.task_ceiling == 2 && output.target_backlog_per_task == 5000
    error_message = "2 tasks of 250 slots, twice"
  }
}

run "the_ceiling_knows_the_allowance_of_single_requests" {
  variables {
    genesys_details_path = "/api/v2/conversations/{interactionId}"
  }

  assert {
    condition     = output.task_ceiling == 2
    error_message = "5 interactions a second never fill a second task, so the ceiling is the minimum"
  }

  assert {
    condition     = output.settings.GENESYS_DETAILS_PATH == "/api/v2/conversations/{interactionId}"
    error_message = "the worker is told the path"
  }
}

run "max_tasks_is_the_last_word" {
  variables {
    max_tasks = 4
  }

  assert {
    condition     = output.task_ceiling == 4
    error_message = "never more than max_tasks"
  }
}

run "a_partner_bus_carries_the_name_of_its_source" {
  variables {
    custom_events = null
    partner_events = {
      event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions"
      create_event_bus  = true
    }
  }

  assert {
    condition     = aws_cloudwatch_event_bus.partner[0].name == aws_cloudwatch_event_bus.partner[0].event_source_name
    error_message = "AWS wants both names to be equal"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.events["partner"].event_pattern) == {
      source = [aws_cloudwatch_event_bus.partner[0].name]
      "detail-type" = [
        { prefix = "v2.detail.events.conversation.{id}.customer.end" },
        { prefix = "v2.detail.events.conversation.{id}.user.end" },
        { prefix = "v2.detail.events.conversation.{id}.acw" },
      ]
    }
    error_message = "the rule takes what ends a conversation, with the literal {id} in their type"
  }

  assert {
    condition     = keys(aws_cloudwatch_event_rule.events) == ["partner"]
    error_message = "no rule for events that are not wanted"
  }
}

run "a_customer_key_is_used_everywhere_but_for_what_eventbridge_could_not_deliver" {
  variables {
    create_kms_key = true
  }

  assert {
    condition = alltrue([
      for key in [
        aws_sqs_queue.events.kms_master_key_id, aws_sqs_queue.dead_letters.kms_master_key_id,
        aws_dynamodb_table.interactions.server_side_encryption[0].kms_key_arn, aws_dynamodb_table.shared_cache[0].server_side_encryption[0].kms_key_arn,
        aws_cloudwatch_log_group.tasks.kms_key_id, aws_cloudwatch_log_group.state_machine.kms_key_id,
        aws_secretsmanager_secret.genesys[0].kms_key_id, aws_ecr_repository.this[0].encryption_configuration[0].kms_key,
      ] : key == aws_kms_key.this[0].arn
    ])
    error_message = "one key for what is at rest"
  }

  assert {
    condition     = aws_sqs_queue.undelivered.sqs_managed_sse_enabled && try(aws_sqs_queue.undelivered.kms_master_key_id != aws_kms_key.this[0].arn, true)
    error_message = "an event that the key keeps out of its queue still has a place"
  }

  assert {
    condition = alltrue([
      for policy in [aws_iam_role_policy.task.policy, aws_iam_role_policy.execution.policy, aws_iam_role_policy.state_machine.policy] :
      contains(jsondecode(policy).Statement[*].Sid, "UseTheKey")
    ])
    error_message = "each role may use the key"
  }
}

run "the_key_admits_eventbridge_without_a_condition_that_may_not_match" {
  variables {
    create_kms_key = true
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this[0].policy).Statement : statement
      if try(statement.Principal.Service, "") == "events.amazonaws.com"
      ] == [{
        Sid       = "EventBridgeDeliversToEncryptedQueues"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = "*"
    }]
    error_message = "without it EventBridge could not deliver a single event"
  }

  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_policy.this : length([
        for statement in jsondecode(policy.policy).Statement : statement
        if try(statement.Principal.Service, "") == "events.amazonaws.com" && can(statement.Condition.ArnEquals["aws:SourceArn"])
      ]) == 1
    ])
    error_message = "which rules may send is said by each queue"
  }
}

run "traces_are_paid_for_when_they_are_asked_for" {
  variables {
    tracing = true
  }

  assert {
    condition     = aws_sfn_state_machine.this.tracing_configuration[0].enabled && contains(jsondecode(aws_iam_role_policy.state_machine.policy).Statement[*].Sid, "Trace")
    error_message = "the machine traces, and may"
  }
}

run "redis_needs_no_table" {
  variables {
    shared_cache_url = "rediss://cache.example.com:6379"
    egress           = { redis = { port = 6379, cidr_ipv4 = "10.0.0.0/16" } }
  }

  assert {
    condition     = length(aws_dynamodb_table.shared_cache) == 0 && output.settings.SHARED_CACHE_URL == "rediss://cache.example.com:6379"
    error_message = "the given cache is used"
  }
}

run "a_secret_setting_replaces_the_open_one" {
  variables {
    secret_environment = { SHARED_CACHE_URL = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:cache-AbCdEf:url::" }
  }

  assert {
    condition = !contains(
      [for pair in jsondecode(aws_ecs_task_definition.worker[0].container_definitions)[0].environment : pair.name], "SHARED_CACHE_URL"
    )
    error_message = "ECS refuses one name as both"
  }

  assert {
    condition = contains(
      flatten([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Sid == "ReadSecrets"]),
      "arn:aws:secretsmanager:eu-central-1:111122223333:secret:cache-AbCdEf"
    )
    error_message = "ECS may read the secret"
  }
}

run "the_archive_is_one_prefix_of_one_bucket" {
  variables {
    archive_url = "s3://records-example/interactions"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Sid => statement.Resource
      if contains(["Archive", "KnowWhatIsArchived"], statement.Sid)
      } == {
      Archive            = "arn:aws:s3:::records-example/interactions/*"
      KnowWhatIsArchived = "arn:aws:s3:::records-example"
    }
    error_message = "the worker writes below the prefix and nowhere else"
  }

  assert {
    condition = alltrue([
      for statement in concat(
        jsondecode(aws_iam_role_policy.task.policy).Statement,
        jsondecode(aws_iam_policy.look.policy).Statement,
      ) : try(statement.Condition.StringEquals["aws:ResourceAccount"], "") == output.settings.ARCHIVE_BUCKET_OWNER
      if strcontains(jsonencode(statement.Action), "s3:")
    ])
    error_message = "a bucket of another account receives nothing"
  }

  assert {
    condition     = output.settings.ARCHIVE_URL == "s3://records-example/interactions"
    error_message = "the worker is told"
  }
}

run "an_archive_may_be_in_another_account" {
  variables {
    archive_url          = "s3://records-example/interactions"
    archive_bucket_owner = "210987654321"
  }

  assert {
    condition     = output.settings.ARCHIVE_BUCKET_OWNER == "210987654321"
    error_message = "the worker is told whose bucket it is"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      statement.Condition.StringEquals["aws:ResourceAccount"] if contains(["Archive", "KnowWhatIsArchived"], statement.Sid)
    ] == ["210987654321", "210987654321"]
    error_message = "the worker may write to the bucket of that account and to no other"
  }
}

run "the_worker_is_told_how_a_record_is_made" {
  variables {
    details_lag_seconds = 120
    end_event_types     = ["customer.end", "acw"]
    final_wait_seconds  = 0
    record              = "standard"
  }

  assert {
    condition = {
      for name, value in output.settings : name => value
      if contains(["DETAILS_LAG_SECONDS", "END_EVENT_TYPES", "FINAL_WAIT_SECONDS", "RECORD"], name)
      } == {
      DETAILS_LAG_SECONDS = "120"
      END_EVENT_TYPES     = "customer.end,acw"
      FINAL_WAIT_SECONDS  = "0"
      RECORD              = "standard"
    }
    error_message = "each variable is a setting"
  }
}

run "a_delay_below_the_lag_is_warned_of_where_events_could_share" {
  command = plan
  variables {
    partner_events         = { event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions" }
    delivery_delay_seconds = 100
  }
  expect_failures = [check.events_of_a_conversation_share_an_execution]
}

run "the_least_delay_that_shares_is_not_warned_of" {
  command = plan
  variables {
    partner_events         = { event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions" }
    delivery_delay_seconds = 101
  }
}

run "a_short_delay_for_details_that_hardly_lag_is_not_warned_of" {
  command = plan
  variables {
    partner_events         = { event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions" }
    genesys_details_path   = "/api/v2/conversations/{interactionId}"
    delivery_delay_seconds = 7
  }
}

run "one_kind_of_event_needs_no_delay" {
  command = plan
  variables {
    partner_events = {
      event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions"
      topics            = ["customer.end"]
    }
    delivery_delay_seconds = 0
  }
}
