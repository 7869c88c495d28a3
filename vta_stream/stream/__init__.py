"""Kafka and Faust; nobody else imports faust."""
