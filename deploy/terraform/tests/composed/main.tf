# What the module is given, made in the same plan: nothing of it has an id or an ARN yet when the module is planned.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

resource "aws_ecs_cluster" "shared" {
  name = "shared"
}

resource "aws_secretsmanager_secret" "genesys" {
  name = "genesys"
}

resource "aws_kms_key" "secrets" {
  description = "Secrets"
}

resource "aws_service_discovery_private_dns_namespace" "shared" {
  name = "shared.internal"
  vpc  = "vpc-0123456789abcdef0"
}

resource "aws_security_group" "this" {
  for_each = toset(["prometheus", "cache", "tasks"])

  name   = each.key
  vpc_id = "vpc-0123456789abcdef0"
}

# Its ARN stands for the address of a cache, of which nothing is known before it is made either.
resource "aws_ecr_repository" "shared" {
  name = "shared"
}

module "interaction_worker" {
  source = "../.."

  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = "${aws_ecr_repository.shared.repository_url}:0.1.0"

  create_ecr_repository = false
  ecr_repository_arn    = aws_ecr_repository.shared.arn

  create_cluster = false
  cluster_arn    = aws_ecs_cluster.shared.arn

  create_genesys_secret = false
  genesys_secret_arn    = aws_secretsmanager_secret.genesys.arn
  secret_kms_key_arns   = [aws_kms_key.secrets.arn]

  create_service_discovery_namespace = false
  service_discovery_namespace_id     = aws_service_discovery_private_dns_namespace.shared.id

  create_shared_cache_table = false
  shared_cache_url          = "rediss://${aws_ecr_repository.shared.registry_id}:6379"

  additional_security_group_ids  = [aws_security_group.this["tasks"].id]
  metrics_client_security_groups = { prometheus = aws_security_group.this["prometheus"].id }
  egress                         = { redis = { port = 6379, security_group_id = aws_security_group.this["cache"].id } }
}

output "cluster_arns" {
  description = "The cluster that was made, and the one that the service is in."
  value       = [aws_ecs_cluster.shared.arn, module.interaction_worker.cluster_arn]
}
