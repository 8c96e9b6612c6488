resource "aws_security_group" "tasks" {
  name        = "${var.name}-tasks"
  description = "Tasks of ${var.name}: HTTPS out, metrics in"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.tasks.id
  description       = "AWS and Genesys Cloud, which publish no short list of addresses"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "further" {
  for_each = var.egress

  security_group_id            = aws_security_group.tasks.id
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.security_group_id
  cidr_ipv4                    = each.value.cidr_ipv4
}

# Groups of additional_security_group_ids may let it through as well; what they do is not known here.
locals {
  shared_cache_port = try(tonumber(regex("^rediss?://[^/:]+:([0-9]+)", var.shared_cache_url)[0]), 6379)
}

check "the_shared_cache_can_be_reached" {
  assert {
    condition = (
      length(var.additional_security_group_ids) > 0 ? true : var.shared_cache_url == null ? true
      : contains(concat([443], values(var.egress)[*].port), local.shared_cache_port)
    )
    error_message = "No rule lets the tasks reach port ${local.shared_cache_port} of shared_cache_url: name it in egress, or give a group that allows it in additional_security_group_ids."
  }
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each = merge({ for id in var.metrics_client_security_group_ids : id => id }, var.metrics_client_security_groups)

  security_group_id            = aws_security_group.tasks.id
  description                  = "Prometheus reads /metrics"
  ip_protocol                  = "tcp"
  from_port                    = local.container.portMappings[0].containerPort
  to_port                      = local.container.portMappings[0].containerPort
  referenced_security_group_id = each.value
}

# Tasks come and go; their addresses are the answer to one DNS name, which Prometheus asks (deploy/prometheus).
resource "aws_service_discovery_private_dns_namespace" "this" {
  count = local.create_namespace ? 1 : 0

  name        = "${var.name}.internal"
  description = "Addresses of the tasks of ${var.name}"
  vpc         = var.vpc_id
}

resource "aws_service_discovery_service" "worker" {
  name        = "worker${var.name_suffix}"
  description = "One A record for each running task"

  dns_config {
    namespace_id   = local.create_namespace ? aws_service_discovery_private_dns_namespace.this[0].id : var.service_discovery_namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 15
    }
  }
}
