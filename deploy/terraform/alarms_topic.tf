# Where alarms arrive. Unless alarm_subscriptions names somebody, nothing is made and alarms go to alarm_actions alone.
resource "aws_sns_topic" "alarms" {
  # checkov:skip=CKV_AWS_26:an alarm says nothing that is secret. CloudWatch cannot publish to a topic under the key alias/aws/sns, and under a customer key the alarm that the key is gone would not arrive
  count = length(var.alarm_subscriptions) > 0 ? 1 : 0

  name = "${var.name}-alarms"
}

resource "aws_sns_topic_policy" "alarms" {
  count = length(aws_sns_topic.alarms)

  arn = aws_sns_topic.alarms[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "${local.arn}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
        }
      },
      {
        Sid       = "FailedDeploymentsPublish"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.failed_deployment.arn } }
      },
      {
        Sid       = "RefuseWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = var.alarm_subscriptions

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint
}

# Says why, which the alarm failed-deployment cannot.
resource "aws_cloudwatch_event_target" "failed_deployment" {
  count = length(aws_sns_topic.alarms)

  rule      = aws_cloudwatch_event_rule.failed_deployment.name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms[0].arn

  input_transformer {
    input_paths = {
      service    = "$.resources[0]"
      deployment = "$.detail.deploymentId"
      reason     = "$.detail.reason"
    }
    input_template = "\"The deployment <deployment> of <service> failed: <reason>\""
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
