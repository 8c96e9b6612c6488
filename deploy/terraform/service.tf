locals {
  task_log_group = "/ecs/${var.name}"

  # Both definitions are written once, in deploy/ecs. What a task is comes from there whole; what is an identity (the
  # cluster, the subnets, ...) is set from the resources below, because Terraform would otherwise see the whole service
  # as unknown whenever one of them changes.
  task_definition = jsondecode(templatefile("${path.module}/../ecs/task-definition.json", merge(local.fill, {
    image              = var.image == null ? "none" : var.image
    execution_role_arn = aws_iam_role.execution.arn
    task_role_arn      = aws_iam_role.task.arn
    genesys_secret_arn = local.secret_arn
    log_group          = aws_cloudwatch_log_group.tasks.name
  })))
  service_definition = jsondecode(templatefile("${path.module}/../ecs/service-definition.json", {
    name                 = var.name
    cluster_arn          = ""
    task_definition      = ""
    subnet_a             = ""
    subnet_b             = ""
    security_group_id    = ""
    service_registry_arn = ""
  }))

  # Settings fill the placeholders of their own names in lower case. The address of a cache may be a secret instead.
  fill = merge({ shared_cache_url = "" }, { for name, value in local.settings : lower(name) => value }, {
    name             = var.name
    region           = local.region
    cpu_architecture = var.cpu_architecture
    cpu              = var.cpu
    memory           = var.memory
  })

  container = local.task_definition.containerDefinitions[0]
  # What the file does not know: settings that have a default there is no need to repeat in it.
  environment = merge({ for pair in local.container.environment : pair.name => pair.value }, local.settings)
  secrets     = merge({ for pair in local.container.secrets : pair.name => pair.valueFrom }, var.secret_environment)
}

resource "aws_cloudwatch_log_group" "tasks" {
  # checkov:skip=CKV_AWS_338:a year of logs helps nobody with a queue that holds 14 days; log_retention_days says otherwise
  name              = local.task_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_65:nothing here needs Container Insights, which is billed by metric; container_insights turns it on
  count = local.create_cluster ? 1 : 0

  name = var.name

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = local.create_cluster ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE"]
}

# 0.1.0 kept its revision under the name `this`, without skip_destroy, which counts as it stands in the state: the next
# revision would take it away from under the running tasks, and a rollout that fails would find nothing to go back to.
removed {
  from = aws_ecs_task_definition.this

  lifecycle {
    destroy = false
  }
}

resource "aws_ecs_task_definition" "worker" {
  count = var.image == null ? 0 : 1

  # Revisions stay, for a rollout to go back to. They cost nothing.
  skip_destroy = true

  family                   = local.task_definition.family
  requires_compatibilities = local.task_definition.requiresCompatibilities
  network_mode             = local.task_definition.networkMode
  cpu                      = local.task_definition.cpu
  memory                   = local.task_definition.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = local.task_definition.runtimePlatform.cpuArchitecture
    operating_system_family = local.task_definition.runtimePlatform.operatingSystemFamily
  }

  container_definitions = jsonencode([
    merge(local.container, {
      environment = [for name, value in local.environment : { name = name, value = value } if !contains(keys(var.secret_environment), name)]
      secrets     = [for name, value in local.secrets : { name = name, valueFrom = value }]
    }),
  ])
}

resource "aws_ecs_service" "this" {
  count = var.image == null ? 0 : 1

  name                          = local.service_definition.serviceName
  cluster                       = local.cluster_arn
  task_definition               = aws_ecs_task_definition.worker[0].arn
  desired_count                 = var.min_tasks
  scheduling_strategy           = local.service_definition.schedulingStrategy
  platform_version              = local.service_definition.platformVersion
  availability_zone_rebalancing = local.service_definition.availabilityZoneRebalancing
  wait_for_steady_state         = var.wait_for_steady_state
  enable_ecs_managed_tags       = local.service_definition.enableECSManagedTags
  enable_execute_command        = local.service_definition.enableExecuteCommand
  propagate_tags                = local.service_definition.propagateTags

  deployment_minimum_healthy_percent = local.service_definition.deploymentConfiguration.minimumHealthyPercent
  deployment_maximum_percent         = local.service_definition.deploymentConfiguration.maximumPercent

  deployment_controller {
    type = local.service_definition.deploymentController.type
  }

  deployment_circuit_breaker {
    enable   = local.service_definition.deploymentConfiguration.deploymentCircuitBreaker.enable
    rollback = local.service_definition.deploymentConfiguration.deploymentCircuitBreaker.rollback
  }

  # The circuit breaker sees tasks that do not start. A version whose every attempt fails is healthy to it.
  alarms {
    alarm_names = local.deployment_alarm_names
    enable      = var.deployment_alarms
    rollback    = var.deployment_alarms
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.service_definition.capacityProviderStrategy
    content {
      capacity_provider = capacity_provider_strategy.value.capacityProvider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = concat([aws_security_group.tasks.id], var.additional_security_group_ids)
    assign_public_ip = local.service_definition.networkConfiguration.awsvpcConfiguration.assignPublicIp == "ENABLED"
  }

  service_registries {
    registry_arn = aws_service_discovery_service.worker.arn
  }

  # Autoscaling moves it; Terraform only says where to begin.
  lifecycle {
    ignore_changes = [desired_count]

    postcondition {
      condition     = !var.wait_for_steady_state || self.task_definition == aws_ecs_task_definition.worker[0].arn
      error_message = "The rollout of ${var.image} failed: ECS went back to ${self.task_definition}. Why is in the service's events (aws ecs describe-services) and in the log group ${local.task_log_group}."
    }
  }

  # A task that starts before its role may do anything fails its first checks.
  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_ecs_cluster_capacity_providers.this,
  ]
}
