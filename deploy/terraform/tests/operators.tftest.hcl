# What persons may do: one policy to look, one to act, one to erase.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  partner_events = { event_source_name = "aws.partner/genesys.com/cloud/4f7e0b1a/integration" }
}

run "who_may_look_writes_nothing" {
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_policy.look.policy).Statement : [
        for action in flatten([statement.Action]) : can(regex("^(sqs:Get|states:Describe|dynamodb:Describe|events:Describe|s3:List)", action))
      ]
    ]))
    error_message = "the policy to look has an action that does more than describe"
  }

  assert {
    condition = contains(
      [for statement in jsondecode(aws_iam_policy.look.policy).Statement : statement.Resource if statement.Sid == "LookAtThePartnerEventSource"],
      "arn:aws:events:eu-central-1::event-source/aws.partner/genesys.com/cloud/4f7e0b1a/integration",
    )
    error_message = "doctor may see the state of the partner event source"
  }
}

run "who_acts_touches_the_gate_alone_of_the_shared_cache_and_no_item" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "dynamodb:")])
    ] == [["gate#*"]]
    error_message = "one statement about DynamoDB, for the gate's key"
  }

  assert {
    condition     = aws_iam_policy.operator.name == "interaction-worker-operator" && aws_iam_policy.operator.description == "doctor and dlq of interaction-worker"
    error_message = "0.1.0's policy stays in place: a change of either replaces it, under the roles that have it"
  }
}

run "who_erases_writes_tombstones_alone_and_starts_nothing" {
  variables {
    archive_url = "s3://documents/kept/"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.erase.policy).Statement : [flatten([statement.Action]), statement.Condition["ForAllValues:StringEquals"]["dynamodb:Attributes"]]
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "dynamodb:")])
    ] == [[["dynamodb:PutItem"], ["interactionId", "erasedAt", "eventTime", "startTime", "expiresAt"]]]
    error_message = "one statement about DynamoDB, for what a tombstone consists of"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.erase.policy).Statement : statement.Action => statement.Resource
      if can(regex("^s3:", statement.Action))
      } == {
      "s3:ListBucketVersions"  = "arn:aws:s3:::documents"
      "s3:DeleteObjectVersion" = "arn:aws:s3:::documents/kept/*"
    }
    error_message = "versions are listed in the bucket and deleted under the prefix"
  }

  assert {
    condition     = !strcontains(aws_iam_policy.erase.policy, "states:") && !strcontains(aws_iam_policy.erase.policy, "sqs:SendMessage")
    error_message = "whoever erases sends nothing through again"
  }

  assert {
    condition     = [aws_iam_role_policy_attachment.erase.role, aws_iam_role_policy_attachment.erase.policy_arn] == [aws_iam_role.erase.name, aws_iam_policy.erase.arn]
    error_message = "the role for one-off tasks has this policy alone"
  }
}

run "no_star_is_a_resource" {
  assert {
    condition = alltrue(flatten([
      for policy in [aws_iam_policy.look.policy, aws_iam_policy.operator.policy, aws_iam_policy.erase.policy] : [
        for statement in jsondecode(policy).Statement : [
          for value in flatten([statement.Resource, statement.Action]) : !startswith(value, "*") && !endswith(value, ":*")
        ]
      ]
    ]))
    error_message = "each statement is about resources of this module"
  }
}
