locals {
  customer_key = var.create_kms_key || var.kms_key_arn != null
  kms_key_arn  = var.create_kms_key ? aws_kms_key.this[0].arn : var.kms_key_arn

  # What the key's policy must allow besides the account's own administration. Roles of this module get their part
  # through IAM; these two are services that act for nobody's role. EventBridge has no condition: AWS's guides disagree on
  # whether it names a rule when it uses a key for SQS, and a condition that does not match loses every event. Which rules
  # may send is said by the policy of each queue.
  kms_key_policy_statements = [
    {
      Sid       = "EventBridgeDeliversToEncryptedQueues"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
      Resource  = "*" # in a key policy: this key
    },
    {
      Sid       = "CloudWatchLogsEncryptsLogGroups"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.amazonaws.com" }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      Condition = {
        ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = [
            for group in [local.task_log_group, local.state_machine_log_group] : "${local.arn}:logs:${local.region}:${local.account}:log-group:${group}"
          ]
        }
      }
    },
  ]
}

resource "aws_kms_key" "this" {
  count = var.create_kms_key ? 1 : 0

  description             = "${var.name}: queues, tables, secret, logs and images"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # Without it nobody could ever change the key again; who may do so is then said by IAM.
        Sid       = "AccountAdministersTheKey"
        Effect    = "Allow"
        Principal = { AWS = "${local.arn}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
    ], local.kms_key_policy_statements)
  })
}

resource "aws_kms_alias" "this" {
  count = var.create_kms_key ? 1 : 0

  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
