"""The tangent model: training, simulated in the space of what a model's own gradients say of its answers."""
