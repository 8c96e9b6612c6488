# The module as it comes: what exists, who may do what, and that nothing is said twice.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/interaction-worker:0.1.0"
}

run "queues_keep_messages_as_long_as_sqs_can" {
  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.events, aws_sqs_queue.dead_letters, aws_sqs_queue.undelivered] :
      queue.message_retention_seconds == 1209600 && queue.sqs_managed_sse_enabled
    ])
    error_message = "every queue keeps messages for 14 days, encrypted"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.events.redrive_policy).maxReceiveCount == 1000
    error_message = "intake decides what is quarantined, not the number of deliveries"
  }

  assert {
    condition     = aws_sqs_queue.events.delay_seconds == 150 && coalesce(aws_sqs_queue.dead_letters.delay_seconds, 0) == 0
    error_message = "only events are held back"
  }
}

run "only_the_rules_may_send_and_only_over_tls" {
  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_policy.this : alltrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" || can(statement.Condition.ArnEquals["aws:SourceArn"][0])
      ])
    ])
    error_message = "each Allow of a queue policy names the rules that may send"
  }

  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_policy.this :
      contains(jsondecode(policy.policy).Statement[*].Sid, "RefuseWithoutTls")
    ])
    error_message = "each queue refuses requests without TLS"
  }
}

run "the_state_machine_is_the_one_file" {
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.ProcessInteraction.Resource == aws_sfn_activity.this.id
    error_message = "the task names the activity of this module"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.SendDeadLetter.Parameters.QueueUrl == aws_sqs_queue.dead_letters.url
    error_message = "dead letters go to the queue of this module"
  }

  assert {
    condition     = aws_sfn_state_machine.this.type == "STANDARD" && !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
    error_message = "a Standard machine, whose logs hold no input"
  }

  assert {
    condition     = output.settings.STATE_MACHINE_HEARTBEAT_SECONDS == "60"
    error_message = "the worker is told the HeartbeatSeconds of the file"
  }
}

run "an_interaction_without_an_end_is_no_failure" {
  assert {
    condition = [
      for catcher in jsondecode(aws_sfn_state_machine.this.definition).States.ProcessInteraction.Catch : catcher.Next
      if contains(catcher.ErrorEquals, "Interaction.Incomplete")
    ] == ["StoredWithoutEnd"]
    error_message = "the execution of an interaction that never ends is caught"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.StoredWithoutEnd.Type == "Succeed"
    error_message = "and ends as a success"
  }

  assert {
    condition = (
      output.settings.END_EVENT_TYPES == "customer.end" && output.settings.FINAL_WAIT_SECONDS == "900"
      && output.settings.RECORD == "basic" && !contains(keys(output.settings), "DETAILS_LAG_SECONDS")
    )
    error_message = "the worker is told what to wait for, and has its own default for the lag, which depends on the path"
  }
}

run "the_worker_sees_what_is_covered_and_nothing_else_of_the_table" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Condition
      if contains(flatten([statement.Action]), "dynamodb:BatchGetItem")
      ] == [{
        "ForAllValues:StringEquals" = {
          "dynamodb:Attributes" = ["interactionId", "eventTime", "eventType", "detailsAt", "complete", "erasedAt"]
        }
        StringEquals = { "dynamodb:Select" = "SPECIFIC_ATTRIBUTES" }
    }]
    error_message = "only named attributes can be read, and only these"
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Action
      if contains(flatten([statement.Resource]), aws_dynamodb_table.interactions.arn) && statement.Sid != "ShareTokenAndAllowance"
    ])) == toset(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DescribeTable", "dynamodb:BatchGetItem"])
    error_message = "no other way to read the table is open"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Resource
      if statement.Action == "states:DescribeExecution"
    ] == ["${replace(aws_sfn_state_machine.this.arn, ":stateMachine:", ":execution:")}:*"]
    error_message = "the worker looks at executions of this state machine alone"
  }
}

run "every_end_without_a_letter_is_routed" {
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.unfinished.event_pattern).detail.status == ["TIMED_OUT", "ABORTED"]
    error_message = "stopped and timed-out executions become dead letters"
  }

  assert {
    condition = !contains(
      jsondecode(aws_cloudwatch_event_rule.broken.event_pattern).detail.error[0]["anything-but"], "States.Runtime"
    )
    error_message = "an execution that no Catch could see becomes a dead letter"
  }

  assert {
    condition     = alltrue([for target in merge(aws_cloudwatch_event_target.events, aws_cloudwatch_event_target.dead_letters) : length(target.dead_letter_config) == 1])
    error_message = "what EventBridge can't deliver is kept"
  }
}

run "stars_stand_only_where_aws_knows_no_resource" {
  assert {
    condition = toset(flatten([
      for policy in [aws_iam_role_policy.task.policy, aws_iam_role_policy.execution.policy, aws_iam_role_policy.state_machine.policy, aws_iam_policy.operator.policy] : [
        for statement in jsondecode(policy).Statement : statement.Sid if contains(flatten([statement.Resource]), "*")
      ]
    ])) == toset(["ReportTasks", "LogInToEcr", "DeliverLogs"])
    error_message = "a statement has * as its resource without being one of the three that must"
  }

  assert {
    condition = alltrue(flatten([
      for policy in [aws_iam_role_policy.task.policy, aws_iam_role_policy.execution.policy, aws_iam_role_policy.state_machine.policy, aws_iam_policy.operator.policy] : [
        for statement in jsondecode(policy).Statement : [for action in flatten([statement.Action]) : !strcontains(action, "*")]
      ]
    ]))
    error_message = "every action is written out"
  }

  assert {
    condition = !anytrue([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      statement.Sid == "QuarantineEvents" && contains(flatten([statement.Action]), "sqs:ReceiveMessage")
    ])
    error_message = "the worker writes dead letters and never reads them"
  }
}

run "the_task_is_the_file_of_deploy_ecs" {
  assert {
    condition = alltrue([
      for name, value in jsondecode(file("../ecs/task-definition.json")).containerDefinitions[0] :
      jsondecode(aws_ecs_task_definition.this[0].container_definitions)[0][name] == value
      if !contains(["image", "environment", "secrets", "logConfiguration"], name)
    ])
    error_message = "what is no placeholder is taken over as it stands"
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.this[0].container_definitions, "$${")
    error_message = "every placeholder is filled"
  }

  assert {
    condition = toset([for secret in jsondecode(aws_ecs_task_definition.this[0].container_definitions)[0].secrets : secret.name]) == toset(
      ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"]
    )
    error_message = "credentials come from Secrets Manager"
  }

  assert {
    condition = {
      for pair in jsondecode(aws_ecs_task_definition.this[0].container_definitions)[0].environment : pair.name => pair.value
      if contains(keys(output.settings), pair.name)
    } == output.settings
    error_message = "the task has the settings that the output shows"
  }
}

run "a_failed_rollout_goes_back" {
  assert {
    condition = (
      aws_ecs_service.this[0].deployment_circuit_breaker[0].enable
      && aws_ecs_service.this[0].deployment_circuit_breaker[0].rollback
      && aws_ecs_service.this[0].deployment_minimum_healthy_percent == 100
    )
    error_message = "the circuit breaker is on"
  }
}

run "tables_expire_and_are_backed_up" {
  assert {
    condition = (
      aws_dynamodb_table.interactions.hash_key == "interactionId"
      && aws_dynamodb_table.interactions.ttl[0].attribute_name == "expiresAt"
      && aws_dynamodb_table.interactions.point_in_time_recovery[0].enabled
      && aws_dynamodb_table.interactions.deletion_protection_enabled
    )
    error_message = "the interaction table has TTL, backups and protection"
  }

  assert {
    condition     = aws_dynamodb_table.shared_cache[0].hash_key == "pk" && !aws_dynamodb_table.shared_cache[0].point_in_time_recovery[0].enabled
    error_message = "no backup keeps access tokens"
  }
}
