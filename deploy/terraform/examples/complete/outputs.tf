output "settings" {
  description = "Settings of the worker."
  value       = module.interaction_worker.settings
}

output "ecr_repository_url" {
  description = "Where to push the image."
  value       = module.interaction_worker.ecr_repository_url
}

output "genesys_secret_arn" {
  description = "Secret to put the OAuth client into."
  value       = module.interaction_worker.genesys_secret_arn
}

output "operator_role_arn" {
  description = "Role for one-off tasks that run dlq or pause."
  value       = module.interaction_worker.operator_role_arn
}

output "undelivered_queue_url" {
  description = "Queue of what EventBridge could not deliver."
  value       = module.interaction_worker.undelivered_queue_url
}
