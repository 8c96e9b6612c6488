locals {
  five_minutes = 300

  # Alarms on one metric. What each means and what to do: docs/runbook.md.
  alarms = {
    oldest-event = {
      description = "Events wait: intake is down, too slow, or held back by Step Functions."
      namespace   = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.events.name }
      # The age counts the delay, and an event that is hidden because it waits for another one's execution. SQS leaves out
      # what was received more than three times, so such an event counts for 70 s beyond the delay at most (10 + 20 + 40),
      # however long it goes on waiting.
      threshold = var.delivery_delay_seconds + var.oldest_event_alarm_seconds
      missing   = "notBreaching"
    }
    waiting-for-a-slot = {
      description = "Executions wait for a free slot longer than the delay that is accepted: too few tasks, or the rate limit of Genesys Cloud is spent."
      namespace   = "AWS/States", metric = "ActivityScheduleTime", stat = "Average"
      dimensions  = { ActivityArn = aws_sfn_activity.this.id }
      threshold   = var.acceptable_delay_seconds * 1000 * 5
      missing     = "notBreaching"
    }
    dead-letters = {
      description = "Events or interactions that were given up. `dlq list` shows them."
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
      threshold   = 0
      missing     = "notBreaching"
    }
    undelivered-events = {
      description = "EventBridge could not deliver: the policy or the key of a queue is wrong."
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.undelivered.name }
      threshold   = 0
      missing     = "notBreaching"
    }
  }

  # Alarms on several metrics added up.
  sum_alarms = {
    failed-executions = {
      description = "Executions ended without a stored interaction."
      comparison  = "GreaterThanThreshold", threshold = 0
      namespace   = "AWS/States", metrics = ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"]
      dimensions  = { StateMachineArn = aws_sfn_state_machine.this.arn }
    }
    silent-intake = {
      description = "Nobody has asked the event queue for events, not even in vain: no intake runs."
      comparison  = "LessThanThreshold", threshold = 1
      namespace   = "AWS/SQS", metrics = ["NumberOfMessagesReceived", "NumberOfEmptyReceives"]
      dimensions  = { QueueName = aws_sqs_queue.events.name }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "single" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.stat
  period              = local.five_minutes
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "sum" {
  # Before there is a service, intake is silent rightly.
  for_each = { for name, alarm in local.sum_alarms : name => alarm if var.image != null || name != "silent-intake" }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = 1
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  # FILL makes a number of silence, so this is only for a metric that never existed.
  treat_missing_data = each.value.comparison == "LessThanThreshold" ? "breaching" : "notBreaching"

  metric_query {
    id          = "total"
    label       = each.value.description
    expression  = join(" + ", [for i, _ in each.value.metrics : "FILL(m${i}, 0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics
    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = each.value.namespace
        metric_name = metric_query.value
        dimensions  = each.value.dimensions
        stat        = "Sum"
        period      = local.five_minutes
      }
    }
  }
}

# Each task reports its CPU once a minute: no report, no task.
resource "aws_cloudwatch_metric_alarm" "no_running_tasks" {
  count = var.image == null ? 0 : 1

  alarm_name          = "${var.name}-no-running-tasks"
  alarm_description   = "No task of the service runs."
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = local.cluster_name, ServiceName = aws_ecs_service.this[0].name }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
}
