"""What users change without changing the service: functions of their own, named by a setting as `module:function`."""
