"""The local cloud: API Gateway, Lambda, triggers and FCM on one machine. Never packaged."""
