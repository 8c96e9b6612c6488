output "settings" {
  description = "Settings of the worker, by the name of their environment variable; the two Genesys credentials are in the secret."
  value       = local.settings
}

output "ecr_repository_url" {
  description = "Where to push the image; null when create_ecr_repository is false."
  value       = one(aws_ecr_repository.this[*].repository_url)
}

output "genesys_secret_arn" {
  description = "Secret to put { client_id, client_secret } into."
  value       = local.secret_arn
}

output "undelivered_queue_url" {
  description = "Queue of what EventBridge could not deliver. As DEAD_LETTER_QUEUE_URL it can be looked at with dlq."
  value       = aws_sqs_queue.undelivered.url
}

output "cluster_arn" {
  description = "ECS cluster of the service."
  value       = local.cluster_arn
}

output "service_name" {
  description = "ECS service; null while image is."
  value       = one(aws_ecs_service.this[*].name)
}

output "task_definition_arn" {
  description = "Revision of the task definition that was rolled out last; null while image is."
  value       = one(aws_ecs_task_definition.worker[*].arn)
}

output "task_ceiling" {
  description = "Tasks that autoscaling may run at most: max_tasks, or fewer where fewer already use up the rate limit of Genesys Cloud."
  value       = local.task_ceiling
}

output "target_backlog_per_task" {
  description = "Waiting events for each task above which tasks are added."
  value       = local.target_backlog_per_task
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.tasks.id
}

output "service_registry_arn" {
  description = "Cloud Map service with one A record for each task: worker.NAMESPACE, port 8080, for Prometheus."
  value       = aws_service_discovery_service.worker.arn
}

output "task_role_arn" {
  description = "What the worker may do."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "What ECS does to start the worker."
  value       = aws_iam_role.execution.arn
}

output "operator_role_arn" {
  description = "Role for a one-off task that runs dlq or pause, as the override taskRoleArn of run-task."
  value       = aws_iam_role.operator.arn
}

output "operator_policy_arn" {
  description = "Policy of persons who may act: dlq and pause."
  value       = aws_iam_policy.operator.arn
}

output "log_group_name" {
  description = "Logs of the tasks."
  value       = aws_cloudwatch_log_group.tasks.name
}

output "alarm_topic_arn" {
  description = "Topic that alarms are sent to; null without alarm_subscriptions."
  value       = one(aws_sns_topic.alarms[*].arn)
}

output "kms_key_policy_statements" {
  description = "Statements, as JSON, that the policy of a key given as kms_key_arn must hold."
  value       = jsonencode(local.kms_key_policy_statements)
}
