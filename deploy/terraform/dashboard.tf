locals {
  # Read from top to bottom: are we behind, what limits us, what fails, is the fleet healthy. What only the worker
  # knows, such as the rate limit that is left, is on the Grafana dashboard.
  dashboard_rows = [
    [
      { title = "Oldest event (s)", stat = "Maximum", metrics = [
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.events.name],
      ] },
      { title = "Events in the queue", stat = "Maximum", metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.events.name],
        ["AWS/SQS", "ApproximateNumberOfMessagesDelayed", "QueueName", aws_sqs_queue.events.name],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", aws_sqs_queue.events.name],
      ] },
      { title = "Wait for a slot (ms)", stat = "Average", metrics = [
        ["AWS/States", "ActivityScheduleTime", "ActivityArn", aws_sfn_activity.this.id],
        ["AWS/States", "ActivityRunTime", "ActivityArn", aws_sfn_activity.this.id],
      ] },
    ],
    [
      { title = "Executions", stat = "Sum", metrics = [
        for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] :
        ["AWS/States", metric, "StateMachineArn", aws_sfn_state_machine.this.arn]
      ] },
      { title = "Activity tasks", stat = "Sum", metrics = [
        for metric in ["ActivitiesStarted", "ActivitiesSucceeded", "ActivitiesFailed", "ActivitiesHeartbeatTimedOut"] :
        ["AWS/States", metric, "ActivityArn", aws_sfn_activity.this.id]
      ] },
      { title = "Dead letters", stat = "Maximum", metrics = [
        for queue in [aws_sqs_queue.dead_letters.name, aws_sqs_queue.undelivered.name] :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]
      ] },
    ],
    [
      { title = "Probes that failed (gate closed)", stat = "Sum", metrics = [
        for metric in ["GenesysDown", "StoreDown"] : [var.name, metric]
      ] },
      { title = "Attempts that fail by our own fault", stat = "Sum", metrics = [
        for metric in ["Attempts", "BrokenAttempts", "Crashes"] : [var.name, metric]
      ] },
      { title = "Events sent to the queues", stat = "Sum", metrics = [
        for queue in [aws_sqs_queue.events.name, aws_sqs_queue.dead_letters.name, aws_sqs_queue.undelivered.name] :
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", queue]
      ] },
    ],
    [
      { title = "Tasks", stat = "SampleCount", period = 60, metrics = [
        ["AWS/ECS", "CPUUtilization", "ClusterName", local.cluster_name, "ServiceName", var.name],
      ] },
      { title = "CPU and memory (%)", stat = "Average", metrics = [
        for metric in ["CPUUtilization", "MemoryUtilization"] :
        ["AWS/ECS", metric, "ClusterName", local.cluster_name, "ServiceName", var.name]
      ] },
      { title = "Throttles of the table", stat = "Sum", metrics = [
        ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", aws_dynamodb_table.interactions.name],
      ] },
    ],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create_dashboard ? 1 : 0

  dashboard_name = "${var.name}${var.name_suffix}"
  dashboard_body = jsonencode({
    widgets = flatten([
      for y, row in local.dashboard_rows : [
        for x, panel in row : {
          type   = "metric"
          x      = x * 8
          y      = y * 6
          width  = 8
          height = 6
          properties = {
            title   = panel.title
            region  = local.region
            view    = "timeSeries"
            stat    = panel.stat
            period  = try(panel.period, local.five_minutes)
            metrics = panel.metrics
          }
        }
      ]
    ])
  })
}
