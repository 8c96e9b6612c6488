# SQS keeps messages for 14 days at most. All three queues use them up: each holds what would otherwise be nowhere.
locals {
  longest_retention_seconds = 14 * 24 * 3600

  over_tls_only = {
    Sid       = "RefuseWithoutTls"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-events"
  delay_seconds              = var.delivery_delay_seconds
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = local.longest_retention_seconds
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = local.customer_key ? null : true
  kms_master_key_id          = local.kms_key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Events that can't start an execution, and interactions whose retries ran out.
resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.name}-dead-letters"
  visibility_timeout_seconds = 60
  message_retention_seconds  = local.longest_retention_seconds
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = local.customer_key ? null : true
  kms_master_key_id          = local.kms_key_arn
}

# What EventBridge itself could not deliver in 24 hours. Apart from the dead letters, because such an event needs no
# look at the interaction but at the queue's policy or key. Never under the customer's key: a key that EventBridge may not
# use is one of the reasons for an event to come here.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered"
  message_retention_seconds = local.longest_retention_seconds
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

locals {
  # Which rules may send to which queue.
  queue_senders = {
    events = {
      queue = aws_sqs_queue.events
      rules = values(aws_cloudwatch_event_rule.events)[*].arn
    }
    dead_letters = {
      queue = aws_sqs_queue.dead_letters
      rules = [aws_cloudwatch_event_rule.unfinished.arn, aws_cloudwatch_event_rule.broken.arn]
    }
    undelivered = {
      queue = aws_sqs_queue.undelivered
      rules = concat(
        values(aws_cloudwatch_event_rule.events)[*].arn,
        [aws_cloudwatch_event_rule.unfinished.arn, aws_cloudwatch_event_rule.broken.arn],
      )
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.queue_senders

  queue_url = each.value.queue.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventBridgeRulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = each.value.queue.arn
        Condition = { ArnEquals = { "aws:SourceArn" = each.value.rules } }
      },
      merge(local.over_tls_only, { Resource = each.value.queue.arn }),
    ]
  })
}

# Below it each further event of a conversation costs an execution, which is a choice that works and is seldom meant:
# delays of up to 0.1.0's default lie below. So it warns and does not refuse. Where one kind of event arrives, nothing
# could be shared.
locals {
  details_lag_seconds = coalesce(var.details_lag_seconds, var.genesys_details_path == null ? 90 : 5)
  # As the worker counts: an event waits for the end of a bucket of a ninth of the lag (1 to 10 s), and 1 s for the
  # difference of clocks.
  least_shared_delay_seconds = ceil(local.details_lag_seconds + min(max(local.details_lag_seconds / 9, 1), 10) + 1)
  events_are_shared          = var.partner_events != null && length(try(var.partner_events.topics, [])) != 1
}

check "events_of_a_conversation_share_an_execution" {
  assert {
    condition     = !local.events_are_shared || var.delivery_delay_seconds >= local.least_shared_delay_seconds
    error_message = "delivery_delay_seconds is ${var.delivery_delay_seconds}: below ${local.least_shared_delay_seconds} (details_lag_seconds plus a few seconds) each event costs an execution of its own. See docs/scaling-and-cost.md."
  }
}
