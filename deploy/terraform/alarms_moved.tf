# The alarms of 0.1.0 keep their names. Without this, Terraform would delete by its name what it has just written.
moved {
  from = aws_cloudwatch_metric_alarm.single["oldest-event"]
  to   = aws_cloudwatch_metric_alarm.this["oldest-event"]
}

moved {
  from = aws_cloudwatch_metric_alarm.single["waiting-for-a-slot"]
  to   = aws_cloudwatch_metric_alarm.this["waiting-for-a-slot"]
}

moved {
  from = aws_cloudwatch_metric_alarm.single["dead-letters"]
  to   = aws_cloudwatch_metric_alarm.this["dead-letters"]
}

moved {
  from = aws_cloudwatch_metric_alarm.single["undelivered-events"]
  to   = aws_cloudwatch_metric_alarm.this["undelivered-events"]
}

moved {
  from = aws_cloudwatch_metric_alarm.sum["failed-executions"]
  to   = aws_cloudwatch_metric_alarm.this["failed-executions"]
}

moved {
  from = aws_cloudwatch_metric_alarm.sum["silent-intake"]
  to   = aws_cloudwatch_metric_alarm.this["silent-intake"]
}

moved {
  from = aws_cloudwatch_metric_alarm.no_running_tasks[0]
  to   = aws_cloudwatch_metric_alarm.this["no-running-tasks"]
}
