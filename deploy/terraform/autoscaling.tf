resource "aws_appautoscaling_target" "this" {
  count = var.image == null ? 0 : 1

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${local.cluster_name}/${aws_ecs_service.this[0].name}"
  min_capacity       = var.min_tasks
  max_capacity       = local.task_ceiling
}

locals {
  # Events that wait, for each task that runs. They wait in the queue for intake, or as scheduled activity tasks for a
  # slot. Of the latter CloudWatch has no count, but their rate and how long each waited, whose product it is.
  backlog_metrics = [
    {
      id         = "queued", namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum"
      dimensions = { QueueName = aws_sqs_queue.events.name }
    },
    {
      id         = "started", namespace = "AWS/States", name = "ActivitiesStarted", stat = "Sum"
      dimensions = { ActivityArn = aws_sfn_activity.this.id }
    },
    {
      id         = "waited", namespace = "AWS/States", name = "ActivityScheduleTime", stat = "Average"
      dimensions = { ActivityArn = aws_sfn_activity.this.id }
    },
    {
      # Each task reports its CPU once a minute, so the number of reports is the number of tasks. Needs no Container
      # Insights.
      id         = "tasks", namespace = "AWS/ECS", name = "CPUUtilization", stat = "SampleCount"
      dimensions = { ClusterName = local.cluster_name, ServiceName = var.name }
    },
    merge(local.held, { id = "held" }),
  ]

  # The newest minutes lack their points, each metric's another number of them. What is always published is repeated. What
  # has points only when something starts counts for ten minutes, or the last peak would be repeated into a quiet night;
  # then it is 0, so that an hour of silence is a low number: target tracking never scales in on missing data. While the gate
  # is closed the result is the target itself, which asks for neither more tasks nor fewer: more would only hold too, and
  # fewer would be missed when it opens. docs/adr/0039-late-metrics.md.
  backlog_expressions = [
    { id = "started_at", expression = "IF(started > 0, EPOCH(started))" },
    { id = "held_at", expression = "IF(held > 0, EPOCH(held))" },
    {
      id         = "in_execution"
      expression = "IF((EPOCH(tasks) - FILL(started_at, REPEAT)) < 600, FILL(started, REPEAT) / 60 * FILL(waited, REPEAT) / 1000, 0)"
    },
    {
      id         = "backlog"
      expression = "IF((EPOCH(tasks) - FILL(held_at, REPEAT)) < 300, ${local.target_backlog_per_task}, (FILL(queued, REPEAT) + in_execution) / FILL(tasks, REPEAT))"
    },
  ]
}

resource "aws_appautoscaling_policy" "backlog" {
  count = var.image == null ? 0 : 1

  name               = "${var.name}-backlog-per-task"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local.target_backlog_per_task
    scale_out_cooldown = 60
    # A task that leaves drains for up to its stop time-out; slow, so that tasks do not come and go with each wave.
    scale_in_cooldown = 300

    customized_metric_specification {
      dynamic "metrics" {
        for_each = local.backlog_metrics
        content {
          id          = metrics.value.id
          return_data = false

          metric_stat {
            stat = metrics.value.stat

            metric {
              namespace   = metrics.value.namespace
              metric_name = metrics.value.name

              dynamic "dimensions" {
                for_each = metrics.value.dimensions
                content {
                  name  = dimensions.key
                  value = dimensions.value
                }
              }
            }
          }
        }
      }

      dynamic "metrics" {
        for_each = local.backlog_expressions
        content {
          id          = metrics.value.id
          expression  = metrics.value.expression
          return_data = metrics.value.id == "backlog"
        }
      }
    }
  }
}
