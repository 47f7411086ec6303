"""What a reward will teach a user's own model, asked before anything is trained."""
