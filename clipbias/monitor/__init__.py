"""What the clip does in a training, while it runs."""
