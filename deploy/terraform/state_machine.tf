locals {
  # The prefix spares the log resource policy of the account, which has a size limit, one entry for each log group.
  state_machine_log_group = "/aws/vendedlogs/states/${var.name}"
}

resource "aws_sfn_activity" "this" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "state_machine" {
  # checkov:skip=CKV_AWS_338:Step Functions keeps histories for 90 days as well; log_retention_days says otherwise
  name              = local.state_machine_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_key_arn
}

resource "aws_sfn_state_machine" "this" {
  # checkov:skip=CKV_AWS_284:traces are billed for each execution and show the state machine alone; tracing turns them on
  # checkov:skip=CKV_AWS_285:it wants the data of executions in the log, which names interactions of persons
  name     = var.name
  type     = "STANDARD"
  role_arn = aws_iam_role.state_machine.arn
  definition = templatefile(local.state_machine_file, {
    activity_arn          = aws_sfn_activity.this.id
    dead_letter_queue_url = aws_sqs_queue.dead_letters.url
  })

  logging_configuration {
    level                  = var.state_machine_log_level
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
  }

  tracing_configuration {
    enabled = var.tracing
  }

  depends_on = [aws_iam_role_policy.state_machine]
}
