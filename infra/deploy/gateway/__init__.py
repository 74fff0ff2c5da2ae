"""The two APIs in API Gateway: names, throttles, answers on sockets."""
