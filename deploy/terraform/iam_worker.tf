locals {
  # What a customer key adds to a role: only through the services that use the key for it.
  key_statements = {
    for user, services in {
      task          = ["sqs", "dynamodb"]
      execution     = ["secretsmanager"]
      state_machine = ["sqs"]
      } : user => local.customer_key ? [
      {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource = local.kms_key_arn
        Condition = {
          StringEquals = { "kms:ViaService" = [for service in services : "${service}.${local.region}.amazonaws.com"] }
        }
      },
    ] : []
  }

  ecs_tasks_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "${local.arn}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })

  # Everything that `run` calls, the questions of /readyz included.
  worker_statements = concat(
    [
      {
        Sid      = "TakeEvents"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.events.arn
      },
      {
        Sid      = "QuarantineEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.dead_letters.arn
      },
      {
        Sid      = "StartExecutions"
        Effect   = "Allow"
        Action   = ["states:StartExecution", "states:DescribeStateMachine"]
        Resource = aws_sfn_state_machine.this.arn
      },
      {
        # Whether the execution that an event waits for still runs.
        Sid      = "LookAtExecutions"
        Effect   = "Allow"
        Action   = "states:DescribeExecution"
        Resource = "${replace(aws_sfn_state_machine.this.arn, ":stateMachine:", ":execution:")}:*"
      },
      {
        Sid      = "TakeTasks"
        Effect   = "Allow"
        Action   = ["states:GetActivityTask", "states:DescribeActivity"]
        Resource = aws_sfn_activity.this.id
      },
      {
        # AWS knows no resource for these three, so nothing narrower than * would match. Whoever calls them needs the
        # token of the task, which only GetActivityTask gives out.
        Sid      = "ReportTasks"
        Effect   = "Allow"
        Action   = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
        Resource = "*"
      },
      {
        Sid      = "StoreInteractions"
        Effect   = "Allow"
        Action   = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DescribeTable"]
        Resource = aws_dynamodb_table.interactions.arn
      },
      {
        # Which events an item covers. A lookup can read these attributes alone; whole items come back only with a write
        # of the same id that its condition refused.
        Sid      = "LookUpWhatIsCovered"
        Effect   = "Allow"
        Action   = "dynamodb:BatchGetItem"
        Resource = aws_dynamodb_table.interactions.arn
        Condition = {
          "ForAllValues:StringEquals" = {
            "dynamodb:Attributes" = ["interactionId", "eventTime", "eventType", "detailsAt", "complete", "erasedAt"]
          }
          # Without it a request that names no attributes would read them all.
          StringEquals = { "dynamodb:Select" = "SPECIFIC_ATTRIBUTES" }
        }
      },
    ],
    [for table in aws_dynamodb_table.shared_cache : {
      Sid      = "ShareTokenAndAllowance"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DescribeTable"]
      Resource = table.arn
    }],
    [for archive in compact([var.archive_url]) : {
      # The last action is for what was archived of an interaction that turns out to be erased.
      Sid       = "Archive"
      Effect    = "Allow"
      Action    = ["s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion"]
      Resource  = "${local.arn}:s3:::${trimsuffix(trimprefix(archive, "s3://"), "/")}/*"
      Condition = local.archive_condition
    }],
    [for archive in compact([var.archive_url]) : {
      # Without it S3 answers 403 and not 404 for an object that is not there.
      Sid       = "KnowWhatIsArchived"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = "${local.arn}:s3:::${split("/", trimprefix(archive, "s3://"))[0]}"
      Condition = local.archive_condition
    }],
    local.key_statements.task,
  )
}

resource "aws_iam_role" "task" {
  name                 = "${var.name}-task${var.name_suffix}"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "What the worker may do"
  assume_role_policy   = local.ecs_tasks_trust
}

resource "aws_iam_role_policy" "task" {
  name   = "worker"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.worker_statements })
}

# What ECS does before the worker runs: pull, read the secret, write logs.
resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution${var.name_suffix}"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "What ECS does to start the worker"
  assume_role_policy   = local.ecs_tasks_trust
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # AWS knows no resource for it: the token it returns opens nothing by itself.
          Sid      = "LogInToEcr"
          Effect   = "Allow"
          Action   = "ecr:GetAuthorizationToken"
          Resource = "*"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.tasks.arn}:log-stream:*"
        },
        {
          # ARNs of secrets end in random characters, and a setting may name one key of a secret behind them.
          Sid      = "ReadSecrets"
          Effect   = "Allow"
          Action   = "secretsmanager:GetSecretValue"
          Resource = distinct(concat([local.secret_arn], [for arn in values(var.secret_environment) : join(":", slice(split(":", arn), 0, 7))]))
        },
      ],
      [for arn in local.ecr_repository_arns : {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = arn
      }],
      length(var.secret_kms_key_arns) == 0 ? [] : [{
        Sid      = "DecryptSecrets"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.secret_kms_key_arns
        Condition = {
          StringEquals = { "kms:ViaService" = ["secretsmanager.${local.region}.amazonaws.com"] }
        }
      }],
      local.key_statements.execution,
    )
  })
}

locals {
  ecr_repository_arns = concat(aws_ecr_repository.this[*].arn, var.ecr_repository_arn == null ? [] : [var.ecr_repository_arn])
}
