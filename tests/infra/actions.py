"""Names of IAM's actions, and where the module's policies are."""

from tests.support.tools import ROOT

MODULE = ROOT / "deploy" / "terraform"

SAME_ACTION = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    # Each call names a version.
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
}
"""Calls that IAM knows under the name of another one."""
