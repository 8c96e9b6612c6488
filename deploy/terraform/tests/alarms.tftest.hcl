# Alarms: who is told, what exists when, and that a deployment watches the right ones. What their expressions do with metrics
# that arrive late: tests/infra/test_late_alarms.py.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = "registry.example.com/interaction-worker:0.1.0"
}

run "everything_that_alarms" {
  variables {
    partner_events      = { event_source_name = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions" }
    alarm_actions       = ["arn:aws:sns:eu-central-1:111122223333:ours"]
    alarm_subscriptions = { night-shift = { protocol = "email", endpoint = "night-shift@example.com" } }
  }

  assert {
    condition = alltrue([
      for alarm in merge(aws_cloudwatch_metric_alarm.this, { fewer-events = aws_cloudwatch_metric_alarm.fewer_events[0] }) :
      alarm.alarm_actions == toset([aws_sns_topic.alarms[0].arn, "arn:aws:sns:eu-central-1:111122223333:ours"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "each alarm tells everybody, when it goes on and when it goes off"
  }

  assert {
    condition     = toset([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name if alarm.datapoints_to_alarm == null]) == toset([])
    error_message = "each alarm says how many of its periods have to breach"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement : statement.Principal.Service => keys(statement.Condition)
      if statement.Effect == "Allow"
      } == {
      "cloudwatch.amazonaws.com" = ["ArnLike", "StringEquals"]
      "events.amazonaws.com"     = ["ArnEquals"]
    }
    error_message = "the module's alarms and its rule may publish, and nobody else"
  }

  assert {
    condition     = coalesce(aws_sns_topic.alarms[0].kms_master_key_id, "none") == "none"
    error_message = "CloudWatch cannot publish to a topic under the key of AWS"
  }

  assert {
    condition     = aws_cloudwatch_event_target.failed_deployment[0].arn == aws_sns_topic.alarms[0].arn
    error_message = "the topic is told why a deployment failed"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.failed_deployment.event_pattern).resources[0] == "arn:aws:ecs:eu-central-1:111122223333:service/mocked/interaction-worker"
    error_message = "only this service's deployments"
  }

  assert {
    condition = jsonencode({
      for name, alarm in aws_cloudwatch_metric_alarm.this : name => flatten([for query in alarm.metric_query : [for metric in query.metric : metric.dimensions]])[0]
      if startswith(name, "undeliverable-")
      }) == jsonencode({
      undeliverable-custom     = { RuleName = "interaction-worker-custom-events" }
      undeliverable-unfinished = { RuleName = "interaction-worker-unfinished" }
      undeliverable-broken     = { RuleName = "interaction-worker-broken" }
      undeliverable-deployment = { RuleName = "interaction-worker-failed-deployment" }
      undeliverable-partner = {
        EventBusName = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/interactions"
        RuleName     = "interaction-worker-partner-events"
      }
    })
    error_message = "a rule of another bus than the default one is counted under its bus too"
  }
}

run "a_deployment_goes_back_on_alarms_that_exist" {
  assert {
    condition = (
      aws_ecs_service.this[0].alarms[0].enable && aws_ecs_service.this[0].alarms[0].rollback
      && toset(aws_ecs_service.this[0].alarms[0].alarm_names) == toset([for name in ["broken-attempts", "crashes"] : aws_cloudwatch_metric_alarm.this[name].alarm_name])
    )
    error_message = "the service names the alarms of this module"
  }

  assert {
    condition     = toset([for filter in aws_cloudwatch_log_metric_filter.this : filter.log_group_name]) == toset([aws_cloudwatch_log_group.tasks.name])
    error_message = "they read the tasks' log"
  }
}

run "a_deployment_that_has_to_go_through" {
  variables {
    deployment_alarms = false
  }

  assert {
    condition     = !aws_ecs_service.this[0].alarms[0].enable
    error_message = "alarms do not stop it"
  }
}

run "nobody_to_tell_is_no_topic" {
  assert {
    condition     = length(aws_sns_topic.alarms) + length(aws_sns_topic_policy.alarms) + length(aws_cloudwatch_event_target.failed_deployment) == 0 && output.alarm_topic_arn == null
    error_message = "nothing is made for nobody"
  }
}

run "a_bus_given_by_its_arn_is_counted_by_its_name" {
  variables {
    custom_events = { event_bus_name = "arn:aws:events:eu-central-1:111122223333:event-bus/ours/events" }
  }

  assert {
    condition     = flatten([for query in aws_cloudwatch_metric_alarm.this["undeliverable-custom"].metric_query : [for metric in query.metric : metric.dimensions]])[0].EventBusName == "ours/events"
    error_message = "the dimension is a name"
  }
}

run "silence_may_be_meant" {
  variables {
    silent_hours_alarm = 0
    event_anomaly_band = 0
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "no-events") && length(aws_cloudwatch_metric_alarm.fewer_events) == 0
    error_message = "0 switches each of them off"
  }
}

run "more_silence_than_an_alarm_looks_back" {
  command = plan
  variables {
    silent_hours_alarm = 169
  }
  expect_failures = [var.silent_hours_alarm]
}

run "a_band_of_negative_width" {
  command = plan
  variables {
    event_anomaly_band = -1
  }
  expect_failures = [var.event_anomaly_band]
}
