"""Stand in for services outside: FCM, SES and Google."""
