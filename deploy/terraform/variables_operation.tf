variable "max_concurrency" {
  description = "Activity slots of a task: open polls, or interactions in work."
  type        = number
  default     = 100

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 5000
    error_message = "max_concurrency must be from 1 to 5000."
  }
}

variable "min_tasks" {
  description = "Tasks that always run. Two, so that one may fail."
  type        = number
  default     = 2

  validation {
    condition     = var.min_tasks >= 1
    error_message = "min_tasks must be at least 1: with none, nothing would notice that events wait."
  }
}

variable "max_tasks" {
  description = "Upper bound on tasks. Null: as many as may poll an activity, of which AWS lets 1,000 polls be open: 5 tasks of 100 slots, twice in a rollout. The ceiling in force is lower when fewer tasks already use up the rate limit of Genesys Cloud, see the output task_ceiling."
  type        = number
  default     = null

  validation {
    condition     = var.max_tasks == null ? true : var.max_tasks >= var.min_tasks
    error_message = "max_tasks must be at least min_tasks."
  }
}

variable "seconds_per_interaction" {
  description = "How long a slot holds one interaction at full load: about the median of worker_interaction_duration_seconds. Used for the ceiling and the backlog a task may have."
  type        = number
  default     = 3

  validation {
    condition     = var.seconds_per_interaction > 0 && var.seconds_per_interaction <= 600
    error_message = "seconds_per_interaction must be above 0 and at most 600."
  }
}

variable "acceptable_delay_seconds" {
  description = "How long an event may wait for a free slot before tasks are added."
  type        = number
  default     = 60

  validation {
    condition     = var.acceptable_delay_seconds >= 10 && var.acceptable_delay_seconds <= 3600
    error_message = "acceptable_delay_seconds must be from 10 to 3600."
  }
}

variable "item_ttl_days" {
  description = "Days after which DynamoDB removes a stored interaction. 0 keeps them for ever; they are data about persons."
  type        = number
  default     = 400

  validation {
    condition     = var.item_ttl_days >= 0 && floor(var.item_ttl_days) == var.item_ttl_days
    error_message = "item_ttl_days must be a whole number, 0 or more."
  }
}

variable "tombstone_days" {
  description = "Days after which the tombstone of an erased conversation is removed. 0 keeps them for ever. Fewer than an event may wait, a backup or an archive of events reaches back, and the conversation may be stored again."
  type        = number
  default     = 0

  validation {
    condition     = var.tombstone_days >= 0 && floor(var.tombstone_days) == var.tombstone_days
    error_message = "tombstone_days must be a whole number, 0 or more."
  }
}

variable "point_in_time_recovery" {
  description = "Continuous backups of the interaction table for 35 days."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Refuse to delete the interaction table, and keep a deleted secret for 30 days and images in the repository. False for a stack that comes and goes."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that the logs of tasks and state machine are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, ..."
  }
}

variable "state_machine_log_level" {
  description = "What the state machine logs: OFF, ERROR, FATAL or ALL. Never with execution data."
  type        = string
  default     = "ERROR"

  validation {
    condition     = contains(["OFF", "ERROR", "FATAL", "ALL"], var.state_machine_log_level)
    error_message = "state_machine_log_level must be OFF, ERROR, FATAL or ALL."
  }
}

variable "tracing" {
  description = "X-Ray traces of executions. They are billed by trace, and say nothing of a worker."
  type        = bool
  default     = false
}

variable "alarm_actions" {
  description = "ARNs that every alarm notifies when it fires and when it ends, such as an SNS topic. Empty: alarms only show."
  type        = list(string)
  default     = []
}

variable "alarm_subscriptions" {
  description = "Who is told, by a name of yours: { protocol, endpoint } of each subscription (email, https, sqs, lambda, ...) to a topic that is made for them, beside alarm_actions. An email address has to confirm. Empty: no topic."
  type        = map(object({ protocol = string, endpoint = string }))
  default     = {}
}

variable "silent_hours_alarm" {
  description = "Hours without a single event after which the alarm no-events fires. More than the longest time that you are closed, or it fires then; at most 168. 0: never."
  type        = number
  default     = 72

  validation {
    condition     = var.silent_hours_alarm >= 0 && var.silent_hours_alarm <= 168 && floor(var.silent_hours_alarm) == var.silent_hours_alarm
    error_message = "silent_hours_alarm must be a whole number from 0 to 168, the week that an alarm of CloudWatch looks back at most."
  }
}

variable "event_anomaly_band" {
  description = "Width, in standard deviations, of what counts as the usual number of events at this hour of this day of the week. Below it for two hours, the alarm fewer-events fires. 0: no such alarm, which costs as much as three ordinary ones."
  type        = number
  default     = 3

  validation {
    condition     = var.event_anomaly_band >= 0 && var.event_anomaly_band <= 10
    error_message = "event_anomaly_band must be from 0 to 10."
  }
}

variable "deployment_alarms" {
  description = "Whether the alarms broken-attempts and crashes roll a deployment back. False for a deployment that has to go through although they are on."
  type        = bool
  default     = true
}

variable "oldest_event_alarm_seconds" {
  description = "Age of the oldest event in the queue, beyond the delivery delay, at which the alarm fires. Events that wait for another one's execution reach 70 by themselves."
  type        = number
  default     = 300

  validation {
    condition     = var.oldest_event_alarm_seconds >= 60
    error_message = "oldest_event_alarm_seconds must be at least 60."
  }
}

variable "create_dashboard" {
  description = "Whether to make the CloudWatch dashboard."
  type        = bool
  default     = true
}
