"""causalkv's replica: a causally consistent key-value store that replicates through RabbitMQ."""
