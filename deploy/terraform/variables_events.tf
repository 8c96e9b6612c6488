variable "custom_events" {
  description = "Events of the shape { interactionId, eventType, timestamp }, put on a bus of yours. Null: no rule for them."
  type = object({
    event_bus_name = optional(string, "default")
    source         = optional(string, "genesys.cloud")
    detail_type    = optional(string, "Genesys Cloud Interaction Event")
  })
  default = {}
}

variable "partner_events" {
  description = "Events that Genesys Cloud's EventBridge integration sends. event_source_name is the partner event source (aws.partner/genesys.com/...), topics what follows the id in the topic (empty: every conversation topic, about a dozen events per conversation, most of which are covered by one execution). The default topics end a conversation, an agent's part in it and its after-call work. create_event_bus associates the source with a bus of its name; leave it false where that is done."
  type = object({
    event_source_name = string
    create_event_bus  = optional(bool, false)
    topics            = optional(list(string), ["customer.end", "user.end", "acw"])
  })
  default = null

  validation {
    condition     = var.partner_events == null ? true : startswith(var.partner_events.event_source_name, "aws.partner/genesys.com")
    error_message = "partner_events.event_source_name must start with aws.partner/genesys.com."
  }

  validation {
    condition     = var.partner_events != null || var.custom_events != null
    error_message = "Without custom_events and partner_events no event would ever arrive; set at least one."
  }
}

variable "delivery_delay_seconds" {
  description = "How long SQS holds each event back, for free. An item is at least this old; in return one execution covers all events of a conversation within (delivery_delay_seconds - details_lag_seconds, 60 s by default). 150: one execution per minute of a conversation with events. 450: one for most calls. 900: nearly always one. At or below details_lag_seconds plus a few seconds each event costs an execution, and the end of a conversation is looked for again. With an operational genesys_details_path, which lags 5 s, 65 has the same window as 150 has."
  type        = number
  default     = 150

  validation {
    condition     = var.delivery_delay_seconds >= 0 && var.delivery_delay_seconds <= 900 && floor(var.delivery_delay_seconds) == var.delivery_delay_seconds
    error_message = "delivery_delay_seconds must be a whole number from 0 to 900, which is the most that SQS holds back."
  }
}

variable "details_lag_seconds" {
  description = "How long after an event the details may still lack it. Details that were asked for at least so long after an event cover it. Null: the worker's default, 90, with a genesys_details_path 5."
  type        = number
  default     = null

  validation {
    condition     = var.details_lag_seconds == null ? true : var.details_lag_seconds >= 0
    error_message = "details_lag_seconds must be 0 or more."
  }
}

variable "end_event_types" {
  description = "Event types after which the details should have an end. An item without one is looked at again, for final_wait_seconds."
  type        = list(string)
  default     = ["customer.end"]

  validation {
    condition     = length(var.end_event_types) > 0 && alltrue([for name in var.end_event_types : can(regex("^[^,\\s]+$", name))])
    error_message = "end_event_types must name at least one event type, without commas and spaces; to wait for no end set final_wait_seconds to 0."
  }
}

variable "final_wait_seconds" {
  description = "For how long an interaction that should have ended is looked at again. Each look costs a transition, up to three at 900. 0: never."
  type        = number
  default     = 900

  validation {
    condition     = var.final_wait_seconds >= 0 && var.final_wait_seconds <= 3600
    error_message = "final_wait_seconds must be from 0 to 3600."
  }
}

variable "record" {
  description = "What an item holds of the details: basic; or standard: queues, agents, wrap-up codes, times and outcomes too, where the details are from analytics."
  type        = string
  default     = "basic"

  validation {
    condition     = contains(["basic", "standard"], var.record)
    error_message = "record must be basic or standard."
  }
}

variable "visibility_timeout_seconds" {
  description = "How long a received event stays hidden before one that a dead worker had comes back."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 10 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds must be from 10 to 43200."
  }
}

variable "max_receive_count" {
  description = "After how many deliveries SQS itself moves an event to the dead-letter queue. By default SQS's highest: the worker quarantines what is wrong and holds the rest through an outage, so that only an event that kills each worker it meets comes so often."
  type        = number
  default     = 1000

  validation {
    condition     = var.max_receive_count >= 150 && var.max_receive_count <= 1000
    error_message = "max_receive_count must be from 150 to 1000, which is the most that SQS takes; an event that waits for another one's execution is received again every quarter of an hour."
  }
}

variable "genesys_region" {
  description = "Genesys Cloud region, for example eu-central-1. The worker lists the known ones when it does not know this one."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}-([a-z]{2}-)?[a-z]+-[0-9]$", var.genesys_region))
    error_message = "genesys_region must look like eu-central-1."
  }
}

variable "genesys_requests_per_minute" {
  description = "Rate limit of the OAuth client, shared by all tasks. It also bounds the number of tasks, see max_tasks."
  type        = number
  default     = 300

  validation {
    condition     = var.genesys_requests_per_minute >= 1 && var.genesys_requests_per_minute <= 1000000
    error_message = "genesys_requests_per_minute must be from 1 to 1000000."
  }
}

variable "genesys_batch_size" {
  description = "Ids that a request to the batched endpoint carries at most."
  type        = number
  default     = 100

  validation {
    condition     = var.genesys_batch_size >= 1 && var.genesys_batch_size <= 100
    error_message = "genesys_batch_size must be from 1 to 100."
  }
}

variable "genesys_details_path" {
  description = "Path template with {interactionId} for one request an interaction, for example /api/v2/conversations/{interactionId}. Null: the batched analytics endpoint."
  type        = string
  default     = null

  validation {
    condition     = var.genesys_details_path == null ? true : can(regex("^/[^{}# ]*\\{interactionId\\}[^{}# ]*$", var.genesys_details_path))
    error_message = "genesys_details_path must start with / and hold {interactionId} once."
  }
}

variable "genesys_secret_arn" {
  description = "Existing secret with the JSON keys client_id and client_secret. Null: an empty one is made, and its value is put there by hand, so that it never is in Terraform's state."
  type        = string
  default     = null

  validation {
    condition     = var.genesys_secret_arn == null ? true : can(regex("^arn:aws[a-z-]*:secretsmanager:", var.genesys_secret_arn))
    error_message = "genesys_secret_arn must be an ARN of Secrets Manager."
  }
}

variable "create_genesys_secret" {
  description = "Whether to make that secret. Null: as genesys_secret_arn says; false where the secret is made in the same plan, whose ARN is not known yet."
  type        = bool
  default     = null

  validation {
    condition     = var.create_genesys_secret == null ? true : var.create_genesys_secret == (var.genesys_secret_arn == null)
    error_message = "create_genesys_secret = false needs genesys_secret_arn, and true excludes it."
  }
}

variable "shared_cache_url" {
  description = "Where tasks share the access token and the rate limit, without a password: redis://... or rediss://.... Null: a DynamoDB table is made."
  type        = string
  default     = null

  validation {
    condition     = var.shared_cache_url == null ? true : can(regex("^rediss?://[^@]+$", var.shared_cache_url))
    error_message = "shared_cache_url must be redis:// or rediss:// and hold no password; one with a password belongs into secret_environment."
  }
}

variable "create_shared_cache_table" {
  description = "Whether to make that table. Null: as shared_cache_url says; false where the address is not known yet, or is a secret: SHARED_CACHE_URL in secret_environment."
  type        = bool
  default     = null

  validation {
    condition = var.create_shared_cache_table == null ? true : var.create_shared_cache_table == (
      var.shared_cache_url == null && !contains(keys(var.secret_environment), "SHARED_CACHE_URL")
    )
    error_message = "create_shared_cache_table = false needs shared_cache_url, or SHARED_CACHE_URL in secret_environment, and true excludes both."
  }
}

variable "archive_url" {
  description = "s3://BUCKET/PREFIX of an existing bucket, to keep the whole details of each interaction too. The bucket, its encryption and its lifecycle are yours; one of another account needs archive_bucket_owner. Null: no archive."
  type        = string
  default     = null

  validation {
    condition     = var.archive_url == null ? true : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^/*? ][^*? ]*$", var.archive_url))
    error_message = "archive_url must look like s3://BUCKET/PREFIX."
  }
}

variable "archive_bucket_owner" {
  description = "AWS account of the bucket of archive_url. A bucket of any other account receives nothing. Null: the account of this module."
  type        = string
  default     = null

  validation {
    condition     = var.archive_bucket_owner == null ? true : can(regex("^[0-9]{12}$", var.archive_bucket_owner))
    error_message = "archive_bucket_owner must be the 12 digits of an AWS account."
  }
}
