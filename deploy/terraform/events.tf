locals {
  partner_bus = var.partner_events == null ? null : try(aws_cloudwatch_event_bus.partner[0].name, var.partner_events.event_source_name)
  topic       = "v2.detail.events.conversation."

  # The braces are no placeholder: Genesys Cloud's detail-type has the literal text {id}.
  event_rules = merge(
    var.custom_events == null ? {} : {
      custom = {
        description = "Interaction events of our own shape to the queue"
        bus         = var.custom_events.event_bus_name
        pattern     = { source = [var.custom_events.source], "detail-type" = [var.custom_events.detail_type] }
      }
    },
    var.partner_events == null ? {} : {
      partner = {
        description = "Conversation events of Genesys Cloud's integration to the queue"
        bus         = local.partner_bus
        pattern = {
          source = [var.partner_events.event_source_name]
          "detail-type" = (
            length(var.partner_events.topics) == 0
            ? [{ prefix = local.topic }]
            : [for topic in var.partner_events.topics : { prefix = "${local.topic}{id}.${topic}" }]
          )
        }
      }
    },
  )
}

resource "aws_cloudwatch_event_bus" "partner" {
  count = try(var.partner_events.create_event_bus, false) ? 1 : 0

  # AWS wants a partner bus to carry its source's name.
  name              = var.partner_events.event_source_name
  event_source_name = var.partner_events.event_source_name
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each = local.event_rules

  name           = "${var.name}-${each.key}-events"
  description    = each.value.description
  event_bus_name = each.value.bus
  event_pattern  = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "events" {
  for_each = local.event_rules

  rule           = aws_cloudwatch_event_rule.events[each.key].name
  event_bus_name = each.value.bus
  target_id      = "event-queue"
  arn            = aws_sqs_queue.events.arn

  # EventBridge's own maximum: it gives up after whichever comes first.
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }

  # Before the policy is there, a delivery would be refused.
  depends_on = [aws_sqs_queue_policy.this]
}

# Executions that end without the state machine having written a dead letter. Nothing in a state machine can catch
# that it was stopped or that its own time ran out.
resource "aws_cloudwatch_event_rule" "unfinished" {
  name        = "${var.name}-unfinished"
  description = "Executions stopped or timed out as a whole to the dead-letter queue"
  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [aws_sfn_state_machine.this.arn]
      status          = ["TIMED_OUT", "ABORTED"]
    }
  })
}

locals {
  errors_with_letter = [
    "Genesys.RateLimited", "Genesys.Unauthorized", "Genesys.Unavailable",
    "Interaction.NotReady", "Interaction.NotFound", "Interaction.Invalid", "Interaction.Unavailable",
    "Store.Unavailable", "Worker.Draining", "Worker.Unexpected",
    "States.Timeout", "States.HeartbeatTimeout",
  ]
}

# A failed execution has written its letter when it fails under a name that the worker reports, or a time-out that was
# caught. Any other name means that the machine broke before or in writing it: States.Runtime and
# States.DataLimitExceeded, which no Catch sees, or a refused sqs:sendMessage. Two letters for one failure would do no
# harm, none would, so an event without the field counts as broken.
resource "aws_cloudwatch_event_rule" "broken" {
  name        = "${var.name}-broken"
  description = "Executions that failed without a dead letter of their own to the dead-letter queue"
  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [aws_sfn_state_machine.this.arn]
      status          = ["FAILED"]
      error           = [{ "anything-but" = local.errors_with_letter }, { exists = false }]
    }
  })
}

resource "aws_cloudwatch_event_target" "dead_letters" {
  for_each = {
    unfinished = aws_cloudwatch_event_rule.unfinished.name
    broken     = aws_cloudwatch_event_rule.broken.name
  }

  rule      = each.value
  target_id = "dead-letter-queue"
  arn       = aws_sqs_queue.dead_letters.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }

  depends_on = [aws_sqs_queue_policy.this]
}
