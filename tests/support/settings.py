"""Made-up settings."""

RIGHT = {
    "EVENT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/events",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/dead",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:machine",
    "ACTIVITY_ARN": "arn:aws:states:us-east-1:000000000000:activity:activity",
    "INTERACTION_TABLE_NAME": "interactions",
    "GENESYS_CLIENT_ID": "made-up-client",
    "GENESYS_CLIENT_SECRET": "made-up-secret",
}
"""The required ones, and only those."""
