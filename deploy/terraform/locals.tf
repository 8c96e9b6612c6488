data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id

  # A bucket's name is anybody's once its owner has deleted it.
  archive_owner     = coalesce(var.archive_bucket_owner, local.account)
  archive_condition = { StringEquals = { "aws:ResourceAccount" = local.archive_owner } }

  partition = data.aws_partition.current.partition
  # The attribute is region in 6.x of the provider, which deprecates name, and name in 5.x, which has no other.
  region = lookup(data.aws_region.current, "region", lookup(data.aws_region.current, "name", null))
  arn    = "arn:${local.partition}"

  # The state machine's definition is written once, beside this module, and used by every way of running the worker.
  state_machine_file = "${path.module}/../state_machine.asl.json"
  heartbeat_seconds  = jsondecode(file(local.state_machine_file)).States.ProcessInteraction.HeartbeatSeconds

  # What any task may ask of Genesys Cloud bounds how many tasks can be of use: interactions a second, times the seconds
  # that each holds a slot, are the slots in use (Little's law).
  interactions_per_request = var.genesys_details_path == null ? var.genesys_batch_size : 1
  interactions_per_second  = var.genesys_requests_per_minute * local.interactions_per_request / 60
  useful_tasks             = ceil(local.interactions_per_second * var.seconds_per_interaction / local.max_concurrency)
  task_ceiling             = max(var.min_tasks, min(var.max_tasks == null ? local.tasks_that_may_poll : var.max_tasks, local.useful_tasks))

  # Slots of a task, as the worker gets them.
  max_concurrency = tonumber(lookup(var.environment, "MAX_CONCURRENCY", tostring(var.max_concurrency)))

  # A free slot is an open poll, and in a rollout the old tasks poll beside the new ones. The quota is a hard one, for each
  # activity: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
  poller_quota        = 1000
  most_fleets         = local.service_definition.deploymentConfiguration.maximumPercent / 100
  tasks_that_may_poll = floor(local.poller_quota / local.most_fleets / local.max_concurrency)
  most_pollers        = local.task_ceiling * local.max_concurrency * local.most_fleets

  # Interactions that one task works off within the delay that is accepted.
  target_backlog_per_task = max(1, floor(var.acceptable_delay_seconds * local.max_concurrency / var.seconds_per_interaction))

  # What is made here and what is given. Whether an ARN is null is unknown while its resource is not made, so that a flag
  # may say it.
  create_cluster            = var.create_cluster != null ? var.create_cluster : var.cluster_arn == null
  create_namespace          = var.create_service_discovery_namespace != null ? var.create_service_discovery_namespace : var.service_discovery_namespace_id == null
  create_secret             = var.create_genesys_secret != null ? var.create_genesys_secret : var.genesys_secret_arn == null
  create_shared_cache_table = var.create_shared_cache_table != null ? var.create_shared_cache_table : var.shared_cache_url == null

  cluster_arn  = local.create_cluster ? aws_ecs_cluster.this[0].arn : var.cluster_arn
  cluster_name = element(split("/", local.cluster_arn), 1)
  secret_arn   = local.create_secret ? aws_secretsmanager_secret.genesys[0].arn : var.genesys_secret_arn

  shared_cache_url = local.create_shared_cache_table ? "dynamodb://${aws_dynamodb_table.shared_cache[0].name}" : var.shared_cache_url

  # Settings of the worker, as a task gets them and as an operator needs them in a shell. No secret is among them.
  settings = merge(
    {
      AWS_REGION                      = local.region
      EVENT_QUEUE_URL                 = aws_sqs_queue.events.url
      STATE_MACHINE_ARN               = aws_sfn_state_machine.this.arn
      ACTIVITY_ARN                    = aws_sfn_activity.this.id
      DEAD_LETTER_QUEUE_URL           = aws_sqs_queue.dead_letters.url
      INTERACTION_TABLE_NAME          = aws_dynamodb_table.interactions.name
      ITEM_TTL_DAYS                   = tostring(var.item_ttl_days)
      TOMBSTONE_DAYS                  = tostring(var.tombstone_days)
      GENESYS_REGION                  = var.genesys_region
      GENESYS_REQUESTS_PER_MINUTE     = tostring(var.genesys_requests_per_minute)
      GENESYS_BATCH_SIZE              = tostring(var.genesys_batch_size)
      MAX_CONCURRENCY                 = tostring(var.max_concurrency)
      VISIBILITY_TIMEOUT_SECONDS      = tostring(var.visibility_timeout_seconds)
      STATE_MACHINE_HEARTBEAT_SECONDS = tostring(local.heartbeat_seconds)
      END_EVENT_TYPES                 = join(",", var.end_event_types)
      FINAL_WAIT_SECONDS              = tostring(var.final_wait_seconds)
      RECORD                          = var.record
    },
    contains(keys(var.secret_environment), "SHARED_CACHE_URL") ? {} : { SHARED_CACHE_URL = local.shared_cache_url },
    var.details_lag_seconds == null ? {} : { DETAILS_LAG_SECONDS = tostring(var.details_lag_seconds) },
    var.genesys_details_path == null ? {} : { GENESYS_DETAILS_PATH = var.genesys_details_path },
    var.archive_url == null ? {} : { ARCHIVE_URL = var.archive_url, ARCHIVE_BUCKET_OWNER = local.archive_owner },
    var.environment,
  )
}
