variable "name" {
  description = "Prefix of every name that this module makes, unique in the account and region."
  type        = string
  default     = "interaction-worker"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name must be 3 to 32 characters of a-z, 0-9 and -, starting with a letter."
  }
}

variable "name_suffix" {
  description = "End of the names that a second region or a second instance would share: roles, policies and dashboard, which an account has once, and the Cloud Map service in its namespace. For example -eu-west-1. Set it with the first application: what is renamed later is made anew, the roles of running tasks included."
  type        = string
  default     = ""

  validation {
    # Names of roles have 64 characters: 32 for name, 15 for the longest purpose.
    condition     = can(regex("^(-[a-z0-9-]{0,15}[a-z0-9])?$", var.name_suffix))
    error_message = "name_suffix must be empty, or - and up to 16 characters of a-z, 0-9 and -, the last of them not -."
  }
}

variable "iam_path" {
  description = "Path of roles and policies. Set it with the first application: a role that gets another path is made anew, under the tasks that use it."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.iam_path))
    error_message = "iam_path must begin and end with /."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the permissions of every role that this module makes."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "VPC that the tasks run in."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Private subnets of at least two availability zones, with a way out to AWS and Genesys Cloud (NAT, or VPC endpoints and a proxy)."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must name at least two subnets (subnet-...), so that one availability zone may fail."
  }
}

variable "additional_security_group_ids" {
  description = "Security groups the tasks join besides their own, for example the one that a Redis cache admits."
  type        = list(string)
  default     = []
}

variable "metrics_client_security_group_ids" {
  description = "Security groups, such as Prometheus', that may read /metrics on port 8080. Empty: nobody may. For groups that exist already; others: metrics_client_security_groups."
  type        = list(string)
  default     = []
}

variable "metrics_client_security_groups" {
  description = "The same by names of your own, for example { prometheus = aws_security_group.prometheus.id }, so that the groups may be made in the same plan."
  type        = map(string)
  default     = {}
}

variable "egress" {
  description = "What the tasks may reach over TCP besides port 443 anywhere, by names of your own: a port, and a security group or a range of addresses. A Redis cache and a proxy need an entry, for example { redis = { port = 6379, security_group_id = aws_security_group.cache.id } }."
  type = map(object({
    port              = number
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for rule in values(var.egress) : (rule.security_group_id == null) != (rule.cidr_ipv4 == null)])
    error_message = "each entry of egress must have security_group_id or cidr_ipv4, not both."
  }

  validation {
    condition     = alltrue([for rule in values(var.egress) : rule.port >= 1 && rule.port <= 65535])
    error_message = "each port of egress must be from 1 to 65535."
  }
}

variable "service_discovery_namespace_id" {
  description = "Existing Cloud Map private DNS namespace for the tasks' addresses. Null: one named NAME.internal is made."
  type        = string
  default     = null
}

variable "create_service_discovery_namespace" {
  description = "Whether to make that namespace. Null: as service_discovery_namespace_id says; false where the namespace is made in the same plan, whose id is not known yet."
  type        = bool
  default     = null

  validation {
    condition     = var.create_service_discovery_namespace == null ? true : var.create_service_discovery_namespace == (var.service_discovery_namespace_id == null)
    error_message = "create_service_discovery_namespace = false needs service_discovery_namespace_id, and true excludes it."
  }
}

variable "cluster_arn" {
  description = "Existing ECS cluster with the FARGATE capacity provider. Null: one is made."
  type        = string
  default     = null
}

variable "create_cluster" {
  description = "Whether to make that cluster. Null: as cluster_arn says; false where the cluster is made in the same plan, whose ARN is not known yet."
  type        = bool
  default     = null

  validation {
    condition     = var.create_cluster == null ? true : var.create_cluster == (var.cluster_arn == null)
    error_message = "create_cluster = false needs cluster_arn, and true excludes it."
  }
}

variable "container_insights" {
  description = "Container Insights of the cluster that this module makes: disabled, enabled or enhanced. Nothing here needs it, and it is billed by metric."
  type        = string
  default     = "disabled"

  validation {
    condition     = contains(["disabled", "enabled", "enhanced"], var.container_insights)
    error_message = "container_insights must be disabled, enabled or enhanced."
  }
}

variable "create_ecr_repository" {
  description = "Whether to make an ECR repository called NAME. When false, name the repository that image comes from in ecr_repository_arn."
  type        = bool
  default     = true
}

variable "ecr_repository_arn" {
  description = "Existing ECR repository that the tasks may pull from, when create_ecr_repository is false."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of the worker, with a tag or, better, a digest. Null: everything but the service is made, so that the image and the secret can be put in place first."
  type        = string
  default     = null

  validation {
    condition     = var.image == null ? true : can(regex("^[^\\s@]+(:[\\w][\\w.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must end in :TAG or @sha256:DIGEST."
  }

  validation {
    condition     = var.image == null ? true : !endswith(var.image, ":latest")
    error_message = "image must not be :latest; a rollback needs a tag that still means what was rolled out."
  }
}

variable "cpu_architecture" {
  description = "Architecture of the image: ARM64 or X86_64."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture must be ARM64 or X86_64."
  }
}

variable "cpu" {
  description = "CPU units of a task. The worker is one process on one core, so more than 1024 buys nothing; scale by tasks."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024], var.cpu)
    error_message = "cpu must be 256, 512 or 1024."
  }
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 512

  validation {
    # What Fargate pairs with each size of CPU.
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = [for gib in range(1, 5) : gib * 1024]
      1024 = [for gib in range(2, 9) : gib * 1024]
    }, var.cpu, []), var.memory)
    error_message = "memory must go with cpu on Fargate: 256 with 512, 1024 or 2048; 512 with 1024 to 4096; 1024 with 2048 to 8192, in steps of 1024."
  }
}

variable "environment" {
  description = "Further settings of the worker, by name, for example { LOG_LEVEL = \"debug\" }, or { HTTPS_PROXY = \"http://proxy.example.com:3128\" }. They win over what this module sets."
  type        = map(string)
  default     = {}

  validation {
    condition     = !anytrue([for name in keys(var.environment) : can(regex("SECRET|PASSWORD|TOKEN", name))])
    error_message = "environment is readable by everyone who can see the task definition; use secret_environment for secrets."
  }

  validation {
    condition     = !anytrue([for name, value in var.environment : can(regex("(?i)proxy$", name)) && can(regex("@", value))])
    error_message = "A proxy with a user name or a password belongs into secret_environment."
  }

  validation {
    condition     = can(regex("^[1-9][0-9]*$", lookup(var.environment, "MAX_CONCURRENCY", "1")))
    error_message = "MAX_CONCURRENCY must be a whole number of at least 1; max_concurrency sets it too."
  }
}

variable "secret_environment" {
  description = "Further settings read from Secrets Manager: name of the setting to ARN of the secret, with :key:: for one key of JSON, for example SHARED_CACHE_URL of a Redis with a password."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secret_environment) : can(regex("^arn:aws[a-z-]*:secretsmanager:", arn))])
    error_message = "secret_environment must map to ARNs of Secrets Manager."
  }
}

variable "secret_kms_key_arns" {
  description = "Further customer managed keys, of existing secrets: genesys_secret_arn and those of secret_environment. ECS may then decrypt with them, through Secrets Manager only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secret_kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", arn))])
    error_message = "secret_kms_key_arns must be ARNs of keys, not of aliases."
  }
}

variable "wait_for_steady_state" {
  description = "Whether an application waits until the tasks of a rollout run and the old ones are gone, and fails when ECS went back to the revision before. False: it ends when the rollout has begun."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Existing customer managed key for queues, tables, secret, logs and images, but not for the undelivered events, which must not depend on it. Its policy must hold the statements of the output kms_key_policy_statements. Null: keys that AWS owns, unless create_kms_key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not of an alias."
  }
}

variable "create_kms_key" {
  description = "Make a customer managed key with the right policy and rotation, and use it for what kms_key_arn names."
  type        = bool
  default     = false

  validation {
    condition     = !(var.create_kms_key && var.kms_key_arn != null)
    error_message = "create_kms_key and kms_key_arn exclude each other."
  }
}
