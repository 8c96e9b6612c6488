resource "aws_dynamodb_table" "interactions" {
  name                        = "${var.name}-interactions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "interactionId"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "interactionId"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  # Encrypted in any case; "enabled" means: with a KMS key rather than with one that DynamoDB owns.
  server_side_encryption {
    enabled     = true
    kms_key_arn = local.kms_key_arn
  }
}

# The access token, the lease for its refresh and the counters of the rate limit: minutes of life, no backup wanted.
resource "aws_dynamodb_table" "shared_cache" {
  # checkov:skip=CKV_AWS_28:a backup would keep access tokens, which live for two days at most
  count = local.create_shared_cache_table ? 1 : 0

  name         = "${var.name}-shared-cache"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = false
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = local.kms_key_arn
  }
}
