"""What the models and the decisions of the pipeline are worth, measured against the planted truth."""
