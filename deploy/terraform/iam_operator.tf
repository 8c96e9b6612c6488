# Persons: one policy to look, one to act, one to erase. None lets anybody keep an item and see it, or read the shared
# access token.
locals {
  # doctor, which writes nothing. It names what it could not see.
  look_statements = concat(
    [
      {
        Sid      = "LookAtQueues"
        Effect   = "Allow"
        Action   = "sqs:GetQueueAttributes"
        Resource = [aws_sqs_queue.events.arn, aws_sqs_queue.dead_letters.arn, aws_sqs_queue.undelivered.arn]
      },
      {
        Sid      = "LookAtStateMachine"
        Effect   = "Allow"
        Action   = ["states:DescribeStateMachine", "states:DescribeActivity"]
        Resource = [aws_sfn_state_machine.this.arn, aws_sfn_activity.this.id]
      },
      {
        Sid      = "LookAtTables"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"]
        Resource = concat([aws_dynamodb_table.interactions.arn], aws_dynamodb_table.shared_cache[*].arn)
      },
    ],
    length(local.event_rules) == 0 ? [] : [{
      Sid      = "LookAtRules"
      Effect   = "Allow"
      Action   = "events:DescribeRule"
      Resource = values(aws_cloudwatch_event_rule.events)[*].arn
    }],
    [for events in var.partner_events[*] : {
      Sid      = "LookAtThePartnerEventSource"
      Effect   = "Allow"
      Action   = "events:DescribeEventSource"
      Resource = "${local.arn}:events:${local.region}::event-source/${events.event_source_name}"
    }],
    [for archive in compact([var.archive_url]) : {
      Sid       = "LookAtTheArchive"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = "${local.arn}:s3:::${split("/", trimprefix(archive, "s3://"))[0]}"
      Condition = local.archive_condition
    }],
  )

  # dlq and pause. A body that could not be read is the sender's own, so whoever may act may read personal data.
  act_statements = concat(
    [
      {
        Sid      = "TakeDeadLetters"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = [aws_sqs_queue.dead_letters.arn, aws_sqs_queue.undelivered.arn]
      },
      {
        Sid      = "SendQuarantinedEventsAgain"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.events.arn
      },
      {
        Sid      = "StartFailedInteractionsAgain"
        Effect   = "Allow"
        Action   = "states:StartExecution"
        Resource = aws_sfn_state_machine.this.arn
      },
    ],
    # The token and the allowance are in the same table under other keys.
    [for table in aws_dynamodb_table.shared_cache : {
      Sid       = "Pause"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:PutItem"]
      Resource  = table.arn
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["gate#*"] } }
    }],
    local.key_statements.task,
  )

  # erase. It sees an item only by putting a tombstone over it.
  erase_statements = concat(
    [
      {
        # These attributes alone, so that nothing else can be written over an item.
        Sid      = "WriteTombstones"
        Effect   = "Allow"
        Action   = "dynamodb:PutItem"
        Resource = aws_dynamodb_table.interactions.arn
        Condition = {
          "ForAllValues:StringEquals" = {
            "dynamodb:Attributes" = ["interactionId", "erasedAt", "eventTime", "startTime", "expiresAt"]
          }
        }
      },
      {
        Sid      = "RemoveDeadLetters"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = [aws_sqs_queue.dead_letters.arn, aws_sqs_queue.undelivered.arn]
      },
    ],
    [for archive in compact([var.archive_url]) : {
      Sid       = "FindArchivedVersions"
      Effect    = "Allow"
      Action    = "s3:ListBucketVersions"
      Resource  = "${local.arn}:s3:::${split("/", trimprefix(archive, "s3://"))[0]}"
      Condition = local.archive_condition
    }],
    [for archive in compact([var.archive_url]) : {
      Sid       = "RemoveArchivedVersions"
      Effect    = "Allow"
      Action    = "s3:DeleteObjectVersion"
      Resource  = "${local.arn}:s3:::${trimsuffix(trimprefix(archive, "s3://"), "/")}/*"
      Condition = local.archive_condition
    }],
    local.key_statements.task,
  )
}

resource "aws_iam_policy" "look" {
  name        = "${var.name}-look${var.name_suffix}"
  path        = var.iam_path
  description = "doctor of ${var.name}: writes nothing"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.look_statements })
}

resource "aws_iam_policy" "operator" {
  name = "${var.name}-operator${var.name_suffix}"
  path = var.iam_path
  # Another text would replace the policy, which fails while a role outside this module has it.
  description = "doctor and dlq of ${var.name}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.act_statements })
}

# For a one-off task: `aws ecs run-task` takes it as an override (see README.md).
resource "aws_iam_role" "operator" {
  name                 = "${var.name}-operator${var.name_suffix}"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "One-off tasks that run dlq or pause"
  assume_role_policy   = local.ecs_tasks_trust
}

resource "aws_iam_role_policy_attachment" "operator" {
  role       = aws_iam_role.operator.name
  policy_arn = aws_iam_policy.operator.arn
}

resource "aws_iam_role_policy_attachment" "operator_looks" {
  role       = aws_iam_role.operator.name
  policy_arn = aws_iam_policy.look.arn
}

output "look_policy_arn" {
  description = "Policy of persons who may look: doctor. It writes nothing and reads no item."
  value       = aws_iam_policy.look.arn
}

resource "aws_iam_policy" "erase" {
  name        = "${var.name}-erase${var.name_suffix}"
  path        = var.iam_path
  description = "erase of ${var.name}: removes for good what is kept of a conversation"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.erase_statements })
}

# For a one-off task, apart from the operator's, so that whoever may redrive may not erase.
resource "aws_iam_role" "erase" {
  name                 = "${var.name}-erase${var.name_suffix}"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "One-off tasks that run erase"
  assume_role_policy   = local.ecs_tasks_trust
}

resource "aws_iam_role_policy_attachment" "erase" {
  role       = aws_iam_role.erase.name
  policy_arn = aws_iam_policy.erase.arn
}

output "erase_policy_arn" {
  description = "Policy of persons who may erase conversations for good: erase."
  value       = aws_iam_policy.erase.arn
}

output "erase_role_arn" {
  description = "Role for a one-off task that runs erase, as the override taskRoleArn of run-task."
  value       = aws_iam_role.erase.arn
}
