"""The seven stages: one file each, Kafka-free."""
