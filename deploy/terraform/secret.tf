# The value is put there by hand: in Terraform it would be in every copy of the state.
resource "aws_secretsmanager_secret" "genesys" {
  # checkov:skip=CKV2_AWS_57:the secret of an OAuth client is rotated in Genesys Cloud, which has no API for AWS to call
  count = local.create_secret ? 1 : 0

  name                    = "${var.name}/genesys"
  description             = "OAuth client of Genesys Cloud as JSON: client_id, client_secret"
  kms_key_id              = local.kms_key_arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}
