"""Programs around the nodes: a private broker, a local cluster, the demo, the images."""
