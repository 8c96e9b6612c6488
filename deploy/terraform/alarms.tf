locals {
  minute       = 60
  five_minutes = 300
  quarter      = 900
  hour         = 3600

  alarm_actions = concat(var.alarm_actions, aws_sns_topic.alarms[*].arn)

  event_queue = { QueueName = aws_sqs_queue.events.name }
  machine     = { StateMachineArn = aws_sfn_state_machine.this.arn }
  ecs_service = { ClusterName = local.cluster_name, ServiceName = var.name }

  deployment_rule = { RuleName = aws_cloudwatch_event_rule.failed_deployment.name }

  # Each rule of this module by its key, with the dimensions of its metrics. AWS counts a rule of the default bus under its
  # name alone, any other one under its bus as well; a bus may be given as an ARN.
  rule_dimensions = merge(
    {
      for key, rule in local.event_rules : key => merge(
        { RuleName = aws_cloudwatch_event_rule.events[key].name },
        rule.bus == "default" ? {} : { EventBusName = replace(rule.bus, "/^arn:.*:event-bus\\//", "") },
      )
    },
    {
      unfinished = { RuleName = aws_cloudwatch_event_rule.unfinished.name }
      broken     = { RuleName = aws_cloudwatch_event_rule.broken.name }
    },
    # It has a target only where there is a topic.
    length(var.alarm_subscriptions) == 0 ? {} : { deployment = local.deployment_rule },
  )

  # How a metric is read here. CloudWatch gets points minutes late, each metric by another amount, and its arithmetic takes
  # what is missing for 0. So an alarm asks for some (breaching) of several periods (of), which late newest ones can neither
  # set off nor silence. A count that has points only when something happened is filled with 0, because an alarm that has too
  # few points looks back for older ones. `held`, the log's lines about a closed gate, is always added to something and never
  # compared alone, because a comparison of nothing gives nothing. docs/adr/0039-late-metrics.md.
  held      = { namespace = var.name, name = "Held", stat = "Sum", dimensions = {} }
  open_only = "IF((0 * %[1]s + held) > 0, 0, %[1]s)"

  # What each alarm means and what to do: docs/runbook.md.
  alarms = merge(
    {
      oldest-event = {
        description = "Events wait: intake is down, too slow, or held back by Step Functions."
        # The age counts the delay, and an event that is hidden because it waits for another one's execution. SQS leaves
        # out what was received more than three times, so such an event counts for 70 s beyond the delay at most
        # (10 + 20 + 40), however long it goes on waiting.
        metrics    = { age = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = local.event_queue }, held = local.held }
        expression = format(local.open_only, "age")
        period     = local.five_minutes, of = 2, breaching = 2
        comparison = "GreaterThanThreshold", threshold = var.delivery_delay_seconds + var.oldest_event_alarm_seconds
        missing    = "notBreaching"
      }
      waiting-for-a-slot = {
        description = "Executions wait for a free slot longer than the delay that is accepted: too few tasks, or the rate limit of Genesys Cloud is spent."
        metrics     = { waited = { namespace = "AWS/States", name = "ActivityScheduleTime", stat = "Average", dimensions = { ActivityArn = aws_sfn_activity.this.id } }, held = local.held }
        expression  = format(local.open_only, "waited")
        period      = local.five_minutes, of = 2, breaching = 2
        comparison  = "GreaterThanThreshold", threshold = var.acceptable_delay_seconds * 1000 * 5
        missing     = "notBreaching"
      }
      failed-executions = {
        description = "Executions ended without a stored interaction."
        metrics     = { for id, name in { failed = "ExecutionsFailed", timed_out = "ExecutionsTimedOut", aborted = "ExecutionsAborted" } : id => { namespace = "AWS/States", name = name, stat = "Sum", dimensions = local.machine } }
        expression  = "FILL(failed, 0) + FILL(timed_out, 0) + FILL(aborted, 0)"
        period      = local.five_minutes, of = 3, breaching = 1
        comparison  = "GreaterThanThreshold", threshold = 0
        missing     = "notBreaching"
      }
      throttled-executions = {
        description = "Step Functions throttles state transitions: a quota of the account and region is reached."
        metrics     = { throttled = { namespace = "AWS/States", name = "ExecutionThrottled", stat = "Sum", dimensions = local.machine } }
        expression  = "FILL(throttled, 0)"
        period      = local.five_minutes, of = 4, breaching = 3
        comparison  = "GreaterThanThreshold", threshold = 0
        missing     = "notBreaching"
      }
    },
    # One alarm that says there are letters, and one for each time that there are new ones, so that an old letter does not mute
    # the next one. A letter that `dlq list` looks at is not visible, so the former counts it either way, and the latter what
    # was sent. What SQS itself moved there, after max_receive_count, it does not count as sent: the former tells of that.
    merge([
      for key, queue in {
        dead-letters       = { dimensions = { QueueName = aws_sqs_queue.dead_letters.name }, text = "events or interactions that were given up. `dlq list` shows them." }
        undelivered-events = { dimensions = { QueueName = aws_sqs_queue.undelivered.name }, text = "events that EventBridge could not deliver: the policy or the key of a queue is wrong." }
        } : {
        (key) = {
          description = "There are ${queue.text}"
          metrics     = { for id, name in { visible = "ApproximateNumberOfMessagesVisible", hidden = "ApproximateNumberOfMessagesNotVisible" } : id => { namespace = "AWS/SQS", name = name, stat = "Maximum", dimensions = queue.dimensions } }
          expression  = "FILL(visible, 0) + FILL(hidden, 0)"
          period      = local.five_minutes, of = 3, breaching = 1
          comparison  = "GreaterThanThreshold", threshold = 0
          missing     = "notBreaching"
        }
        "new-${key}" = {
          description = "There are new ${queue.text}"
          metrics     = { sent = { namespace = "AWS/SQS", name = "NumberOfMessagesSent", stat = "Sum", dimensions = queue.dimensions } }
          expression  = "FILL(sent, 0)"
          period      = local.five_minutes, of = 3, breaching = 1
          comparison  = "GreaterThanThreshold", threshold = 0
          missing     = "notBreaching"
        }
      }
    ]...),
    # Both metrics exist only when something failed. The second one is an event lost: EventBridge could neither deliver it
    # nor keep it.
    {
      for key, dimensions in local.rule_dimensions : "undeliverable-${key}" => {
        description = "EventBridge failed to deliver an event of the rule ${key}, or even to put it into the queue of undelivered events."
        metrics     = { for id, name in { failed = "FailedInvocations", lost = "InvocationsFailedToBeSentToDlq" } : id => { namespace = "AWS/Events", name = name, stat = "Sum", dimensions = dimensions } }
        expression  = "FILL(failed, 0) + FILL(lost, 0)"
        period      = local.five_minutes, of = 3, breaching = 1
        comparison  = "GreaterThanThreshold", threshold = 0
        missing     = "notBreaching"
      }
    },
    # Instead of all the alarms that wait for events or items. The fleet writes such a line two or three times a minute.
    {
      for key, outage in {
        genesys-down = { text = "Genesys Cloud", metric = "GenesysDown" }
        store-down   = { text = "The interaction table", metric = "StoreDown" }
        } : key => {
        description = "${outage.text} does not answer since about four minutes before this alarm: the fleet holds everything back and asks until it does. Nothing is lost, no attempt is used up."
        metrics     = { lines = { namespace = var.name, name = outage.metric, stat = "Sum", dimensions = {} } }
        expression  = "FILL(lines, 0)"
        period      = local.minute, of = 10, breaching = 3
        comparison  = "GreaterThanThreshold", threshold = 0
        missing     = "notBreaching"
      }
    },
    # What runs only with a service.
    var.image == null ? {} : {
      silent-intake = {
        description = "Nobody has asked the event queue for events, not even in vain: no intake runs."
        metrics = merge(
          { for id, name in { received = "NumberOfMessagesReceived", empty = "NumberOfEmptyReceives" } : id => { namespace = "AWS/SQS", name = name, stat = "Sum", dimensions = local.event_queue } },
          { held = local.held },
        )
        # A fleet that holds back asks for nothing, and says so in its log.
        expression = "FILL(received, 0) + FILL(empty, 0) + FILL(held, 0)"
        period     = local.five_minutes, of = 3, breaching = 3
        comparison = "LessThanThreshold", threshold = 1
        missing    = "breaching"
      }
      # Each task reports its CPU once a minute: no report, no task.
      no-running-tasks = {
        description = "No task of the service runs."
        metrics     = { tasks = { namespace = "AWS/ECS", name = "CPUUtilization", stat = "SampleCount", dimensions = local.ecs_service } }
        expression  = "FILL(tasks, 0)"
        period      = local.minute, of = 8, breaching = 8
        comparison  = "LessThanThreshold", threshold = 1
        missing     = "breaching"
      }
      too-few-tasks = {
        description = "For a quarter of an hour fewer tasks have run than min_tasks: they do not start, or do not stay."
        metrics     = { tasks = { namespace = "AWS/ECS", name = "CPUUtilization", stat = "SampleCount", dimensions = local.ecs_service } }
        expression  = "FILL(tasks, 0)"
        period      = local.minute, of = 15, breaching = 12
        comparison  = "LessThanThreshold", threshold = var.min_tasks
        missing     = "breaching"
      }
      failed-deployment = {
        description = "A deployment of the service failed and was rolled back."
        metrics     = { failed = { namespace = "AWS/Events", name = "TriggeredRules", stat = "Sum", dimensions = local.deployment_rule } }
        expression  = "FILL(failed, 0)"
        period      = local.five_minutes, of = 3, breaching = 1
        comparison  = "GreaterThanThreshold", threshold = 0
        missing     = "notBreaching"
      }
    },
    # Asked for at all (+ 0 * asked), an hour without an event counts as 0 even where SQS leaves the metric out.
    var.image == null || var.silent_hours_alarm == 0 ? {} : {
      no-events = {
        description = "No event has come for ${var.silent_hours_alarm} hours: the sender, the partner event source or a rule is off."
        metrics     = { for id, name in { sent = "NumberOfMessagesSent", asked = "NumberOfEmptyReceives" } : id => { namespace = "AWS/SQS", name = name, stat = "Sum", dimensions = local.event_queue } }
        expression  = "sent + 0 * asked"
        period      = local.hour, of = var.silent_hours_alarm, breaching = var.silent_hours_alarm
        comparison  = "LessThanThreshold", threshold = 1
        missing     = "notBreaching"
      }
    },
    local.release_alarms,
  )

}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.breaching
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  metric_query {
    id          = "result"
    label       = each.key
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics
    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = each.value.period
      }
    }
  }
}

# A band that knows the hour of the day and the day of the week, because an alarm cannot ask for the same hour of last week.
# It learns from two weeks, and says little in the first days.
resource "aws_cloudwatch_metric_alarm" "fewer_events" {
  count = var.image == null || var.event_anomaly_band == 0 ? 0 : 1

  alarm_name          = "${var.name}-fewer-events"
  alarm_description   = "Fewer events come than is usual at this hour of this day of the week."
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  comparison_operator = "LessThanLowerThreshold"
  threshold_metric_id = "band"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  metric_query {
    id          = "band"
    label       = "usual"
    expression  = "ANOMALY_DETECTION_BAND(sent, ${var.event_anomaly_band})"
    return_data = true
  }

  metric_query {
    id          = "sent"
    return_data = true

    metric {
      namespace   = "AWS/SQS"
      metric_name = "NumberOfMessagesSent"
      dimensions  = local.event_queue
      stat        = "Sum"
      period      = local.hour
    }
  }
}
