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

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each = toset(var.metrics_client_security_group_ids)

  security_group_id            = aws_security_group.tasks.id
  description                  = "Prometheus reads /metrics"
  ip_protocol                  = "tcp"
  from_port                    = local.container.portMappings[0].containerPort
  to_port                      = local.container.portMappings[0].containerPort
  referenced_security_group_id = each.value
}

# Tasks come and go; their addresses are the answer to one DNS name, which Prometheus asks (deploy/prometheus).
resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.service_discovery_namespace_id == null ? 1 : 0

  name        = "${var.name}.internal"
  description = "Addresses of the tasks of ${var.name}"
  vpc         = var.vpc_id
}

resource "aws_service_discovery_service" "worker" {
  name        = "worker"
  description = "One A record for each running task"

  dns_config {
    namespace_id   = coalesce(var.service_discovery_namespace_id, try(aws_service_discovery_private_dns_namespace.this[0].id, null))
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 15
    }
  }
}
