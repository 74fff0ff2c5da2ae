"""What the local cloud looks for in an app's library: settings, schema, queues."""
