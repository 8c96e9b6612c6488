# As little as runs: events of one's own shape on the default bus, keys that AWS owns, a cluster and a namespace made here.
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
  region = "eu-central-1"
}

variable "image" {
  description = "Image to run. Null until it is pushed and the secret has its value; see deploy/README.md."
  type        = string
  default     = null
}

module "interaction_worker" {
  source = "../.."

  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
  genesys_region = "eu-central-1"
  image          = var.image
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
  description = "Role for one-off tasks that run doctor or dlq."
  value       = module.interaction_worker.operator_role_arn
}
