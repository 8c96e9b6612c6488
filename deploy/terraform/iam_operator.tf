# What a person needs besides what the worker may do, to look at dead letters and send them through again. As a policy
# for a person's role, and as a role for a one-off task: `aws ecs run-task` takes it as an override (see README.md).
resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator${var.name_suffix}"
  path        = var.iam_path
  description = "doctor and dlq of ${var.name}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.worker_statements, [
      {
        Sid      = "LookAtDeadLetters"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = [aws_sqs_queue.dead_letters.arn, aws_sqs_queue.undelivered.arn]
      },
      {
        Sid      = "LookAtTables"
        Effect   = "Allow"
        Action   = "dynamodb:DescribeTimeToLive"
        Resource = concat([aws_dynamodb_table.interactions.arn], aws_dynamodb_table.shared_cache[*].arn)
      },
      {
        Sid      = "SendQuarantinedEventsAgain"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.events.arn
      },
    ])
  })
}

resource "aws_iam_role" "operator" {
  name                 = "${var.name}-operator${var.name_suffix}"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "One-off tasks that run doctor or dlq"
  assume_role_policy   = local.ecs_tasks_trust
}

resource "aws_iam_role_policy_attachment" "operator" {
  role       = aws_iam_role.operator.name
  policy_arn = aws_iam_policy.operator.arn
}
