"""What a profile asks for, which sources a step needs, and the pipeline that DVC runs."""
