# What the tasks' log tells CloudWatch, as metrics of the namespace `name`. A metric has points only in minutes with such a
# line. LOG_FORMAT has to stay json, its default on ECS.
locals {
  gate_is_closed = "($.event = \"outage_lasts\") && ($.error != \"Worker.Unexpected\")"
  log_metrics = {
    # One line for each probe that failed. A probe that failed by a fault of the worker's own is no outage.
    GenesysDown = "{ ${local.gate_is_closed} && ($.dependency = \"genesys\") }"
    StoreDown   = "{ ${local.gate_is_closed} && ($.dependency = \"store\") }"
    Held        = "{ ($.event = \"pause_lasts\") || (${local.gate_is_closed} && (($.dependency = \"genesys\") || ($.dependency = \"store\"))) }"

    Attempts = "{ $.event = \"attempt\" }"
    # What a release causes, and a sender or a dependency does not. Interaction.NotFound and quarantined events are the
    # sender's, Genesys.… and Store.… are the dependency's.
    BrokenAttempts = "{ ($.event = \"attempt\") && (($.outcome = \"Worker.Unexpected\") || ($.outcome = \"Interaction.Invalid\")) }"
    Crashes        = "{ ($.event = \"loop_died\") || ($.event = \"fatal\") || ($.event = \"probe_failed\") }"
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.log_metrics

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.tasks.name
  pattern        = each.value

  metric_transformation {
    namespace = var.name
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}

# While a deployment goes on, one of these rolls it back (service.tf). At other times they notify like any alarm. Quiet during
# an outage, which a release does not cause and a rollback does not cure. Their 15 minutes are also the bake time.
locals {
  release_alarms = {
    broken-attempts = {
      description = "More than a fifth of the attempts fail by a fault of the worker or its functions (Worker.Unexpected, Interaction.Invalid)."
      metrics = {
        attempts = { namespace = var.name, name = "Attempts", stat = "Sum", dimensions = {} }
        broken   = { namespace = var.name, name = "BrokenAttempts", stat = "Sum", dimensions = {} }
        held     = local.held
      }
      # Three at least, so that one bad id in a quiet night is no reason.
      expression = "IF((0 * FILL(attempts, 0) + held) > 0, 0, IF((FILL(broken, 0) >= 3) AND (broken > 0.2 * attempts), 1, 0))"
      period     = local.five_minutes, of = 3, breaching = 2
      comparison = "GreaterThanThreshold", threshold = 0
      missing    = "notBreaching"
    }
    crashes = {
      description = "Tasks failed by a fault of their own three times within a quarter of an hour (loop_died, fatal, probe_failed in the log)."
      metrics = {
        crashes = { namespace = var.name, name = "Crashes", stat = "Sum", dimensions = {} }
        held    = local.held
      }
      expression = "IF((0 * FILL(crashes, 0) + held) > 0, 0, FILL(crashes, 0))"
      period     = local.quarter, of = 1, breaching = 1
      comparison = "GreaterThanThreshold", threshold = 2
      missing    = "notBreaching"
    }
  }

  # By name, because the alarms know the service.
  deployment_alarm_names = [for key in keys(local.release_alarms) : "${var.name}-${key}"]
}

resource "aws_cloudwatch_event_rule" "failed_deployment" {
  name        = "${var.name}-failed-deployment"
  description = "Deployments of the service that failed, to the alarms"
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Deployment State Change"]
    resources     = ["${local.arn}:ecs:${local.region}:${local.account}:service/${local.cluster_name}/${var.name}"]
    detail        = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  })
}
