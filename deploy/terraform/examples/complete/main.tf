# Everything switched on: both shapes of events, a customer managed key, Prometheus, alarms.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Service = "interaction-worker"
      Owner   = "contact-centre"
    }
  }
}

module "interaction_worker" {
  source = "../.."

  name                              = "interaction-worker"
  vpc_id                            = var.vpc_id
  subnet_ids                        = var.private_subnet_ids
  metrics_client_security_group_ids = var.prometheus_security_group_ids

  # Null until the image is pushed and the secret has its value; see deploy/README.md.
  image = var.image

  genesys_region              = var.region
  genesys_requests_per_minute = 300

  custom_events = {
    event_bus_name = aws_cloudwatch_event_bus.interactions.name
  }
  partner_events = var.partner_event_source_name == null ? null : {
    event_source_name = var.partner_event_source_name
    create_event_bus  = true
  }

  create_kms_key = true
  item_ttl_days  = 180
  alarm_actions  = var.alarm_topic_arns
  environment    = { LOG_LEVEL = "info" }
}

# A bus of our own for events that a service of ours publishes.
resource "aws_cloudwatch_event_bus" "interactions" {
  name = "interactions"
}
