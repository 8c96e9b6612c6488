# The module among other modules: beside what is made in the same plan, and more than once in an account.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = "registry.example.com/interaction-worker:0.1.0"
}

run "what_it_is_given_may_be_made_in_the_same_plan" {
  command = plan

  module {
    source = "./tests/composed"
  }
}

run "and_is_used_once_it_is_made" {
  module {
    source = "./tests/composed"
  }

  assert {
    condition     = output.cluster_arns[0] == output.cluster_arns[1]
    error_message = "no second cluster beside the given one"
  }
}

run "without_flags_what_is_given_decides_as_it_did" {
  command = plan
  variables {
    cluster_arn                    = "arn:aws:ecs:eu-central-1:111122223333:cluster/shared"
    genesys_secret_arn             = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:genesys-AbCdEf"
    service_discovery_namespace_id = "ns-0123456789abcdef"
    shared_cache_url               = "rediss://cache.example.com:6379"
    egress                         = { redis = { port = 6379, cidr_ipv4 = "10.0.0.0/16" } }
  }

  assert {
    condition = (
      length(aws_ecs_cluster.this) + length(aws_ecs_cluster_capacity_providers.this) + length(aws_secretsmanager_secret.genesys)
      + length(aws_service_discovery_private_dns_namespace.this) + length(aws_dynamodb_table.shared_cache) == 0
    )
    error_message = "nothing is made beside what is given"
  }
}

run "a_flag_and_what_it_speaks_of_agree" {
  command = plan
  variables {
    create_cluster                     = false
    create_genesys_secret              = false
    create_service_discovery_namespace = true
    service_discovery_namespace_id     = "ns-0123456789abcdef"
    create_shared_cache_table          = false
  }
  expect_failures = [
    var.create_cluster, var.create_genesys_secret, var.create_service_discovery_namespace, var.create_shared_cache_table,
  ]
}

run "a_cache_with_a_password_needs_no_table_beside_it" {
  variables {
    create_shared_cache_table = false
    secret_environment        = { SHARED_CACHE_URL = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:cache-AbCdEf:url::" }
  }

  assert {
    condition     = length(aws_dynamodb_table.shared_cache) == 0 && !contains(keys(output.settings), "SHARED_CACHE_URL")
    error_message = "no table, and no setting in the open"
  }

  assert {
    condition = [
      for pair in jsondecode(aws_ecs_task_definition.worker[0].container_definitions)[0].secrets : pair.valueFrom if pair.name == "SHARED_CACHE_URL"
    ] == ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:cache-AbCdEf:url::"]
    error_message = "the task gets the address from the secret"
  }
}

run "groups_with_names_join_those_of_the_list_whose_keys_stay" {
  variables {
    metrics_client_security_group_ids = ["sg-0123456789abcdef0"]
    metrics_client_security_groups    = { prometheus = "sg-0fedcba9876543210" }
  }

  assert {
    condition = { for key, rule in aws_vpc_security_group_ingress_rule.metrics : key => rule.referenced_security_group_id } == {
      sg-0123456789abcdef0 = "sg-0123456789abcdef0"
      prometheus           = "sg-0fedcba9876543210"
    }
    error_message = "a rule for each group, under its id where it had no name"
  }
}

run "the_tasks_reach_what_they_are_told_to" {
  variables {
    shared_cache_url = "rediss://cache.example.com"
    egress = {
      redis = { port = 6379, security_group_id = "sg-0123456789abcdef0" }
      proxy = { port = 3128, cidr_ipv4 = "10.0.0.0/24" }
    }
  }

  assert {
    condition = {
      for key, rule in aws_vpc_security_group_egress_rule.further :
      key => join(" ", [rule.from_port, rule.to_port, coalesce(rule.referenced_security_group_id, rule.cidr_ipv4)])
      } == {
      redis = "6379 6379 sg-0123456789abcdef0"
      proxy = "3128 3128 10.0.0.0/24"
    }
    error_message = "a rule for each entry"
  }
}

run "a_cache_that_no_rule_lets_the_tasks_reach_is_warned_of" {
  command = plan
  variables {
    shared_cache_url = "redis://cache.example.com:6380/0"
    egress           = { redis = { port = 6379, cidr_ipv4 = "10.0.0.0/24" } }
  }
  expect_failures = [check.the_shared_cache_can_be_reached]
}

run "an_egress_rule_has_one_destination_and_a_port" {
  command = plan
  variables {
    egress = { redis = { port = 0 } }
  }
  expect_failures = [var.egress]
}

run "the_names_of_the_first_instance_stay" {
  command = plan

  assert {
    condition = [
      aws_iam_role.task.name, aws_iam_role.execution.name, aws_iam_role.state_machine.name, aws_iam_role.operator.name, aws_iam_policy.operator.name,
      aws_cloudwatch_dashboard.this[0].dashboard_name, aws_service_discovery_service.worker.name,
      ] == [
      "interaction-worker-task", "interaction-worker-execution", "interaction-worker-state-machine", "interaction-worker-operator", "interaction-worker-operator",
      "interaction-worker", "worker",
    ]
    error_message = "a renamed role would be destroyed under running tasks"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.task, aws_iam_role.execution, aws_iam_role.state_machine, aws_iam_role.operator] :
      role.path == "/" && role.permissions_boundary == null
    ])
    error_message = "roles stay where they are"
  }
}

run "a_second_region_shares_no_name_that_an_account_has_once" {
  command = plan
  variables {
    name_suffix = "-eu-west-1"
  }

  assert {
    condition = alltrue([
      for name in [
        aws_iam_role.task.name, aws_iam_role.execution.name, aws_iam_role.state_machine.name, aws_iam_role.operator.name, aws_iam_policy.operator.name,
        aws_cloudwatch_dashboard.this[0].dashboard_name, aws_service_discovery_service.worker.name,
      ] : endswith(name, "-eu-west-1")
    ])
    error_message = "roles, policy, dashboard and Cloud Map service have the suffix"
  }

  assert {
    condition     = aws_sqs_queue.events.name == "interaction-worker-events" && aws_sfn_state_machine.this.name == "interaction-worker"
    error_message = "what a region has once keeps its name"
  }
}

run "a_suffix_that_makes_a_role_s_name_too_long" {
  command = plan
  variables {
    name_suffix = "-0123456789abcdefg"
  }
  expect_failures = [var.name_suffix]
}

run "roles_have_the_path_and_the_boundary_that_an_account_asks_for" {
  command = plan
  variables {
    iam_path                 = "/workloads/"
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.task, aws_iam_role.execution, aws_iam_role.state_machine, aws_iam_role.operator] :
      role.path == "/workloads/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    ])
    error_message = "every role"
  }

  assert {
    condition     = aws_iam_policy.operator.path == "/workloads/"
    error_message = "and the policy"
  }
}

run "ecs_decrypts_secrets_that_have_keys_of_their_own" {
  variables {
    genesys_secret_arn  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:genesys-AbCdEf"
    secret_kms_key_arns = ["arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000"]
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : [statement.Action, statement.Resource, statement.Condition]
      if statement.Sid == "DecryptSecrets"
      ] == [[
        "kms:Decrypt",
        ["arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000"],
        { StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com"] } },
    ]]
    error_message = "with these keys, and only through Secrets Manager"
  }
}

run "a_proxy_s_password_is_no_open_setting" {
  command = plan
  variables {
    environment = { HTTPS_PROXY = "http://user:password@proxy.example.com:3128" }
  }
  expect_failures = [var.environment]
}
