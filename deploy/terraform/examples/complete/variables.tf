variable "region" {
  description = "AWS region, here also that of the Genesys Cloud organization."
  type        = string
  default     = "eu-central-1"
}

variable "vpc_id" {
  description = "VPC to run in."
  type        = string
}

variable "private_subnet_ids" {
  description = "Private subnets of at least two availability zones."
  type        = list(string)
}

variable "prometheus_security_group_ids" {
  description = "Security groups of the Prometheus servers."
  type        = list(string)
  default     = []
}

variable "image" {
  description = "Image to run."
  type        = string
  default     = null
}

variable "partner_event_source_name" {
  description = "Partner event source of the Genesys Cloud integration, aws.partner/genesys.com/..."
  type        = string
  default     = null
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}
