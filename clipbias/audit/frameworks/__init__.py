"""What each framework's series mean, as data: `catalogue` has them all."""
