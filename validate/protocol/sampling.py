"""How many answers a recipe's model draws together."""

from clipbias.common.processes import cores
from clipbias.validate.model.locate import model_folder
from clipbias.validate.recipe.recipe import Recipe


def measured_batch(recipe: Recipe) -> int:
    """As many as are drawn fastest on this machine, and fit beside those of other workers. What is drawn depends on it:
    a run keeps it."""
    import torch  # loaded once the recipe is known to be one
    from torch.nn import Module

    from clipbias.validate.model.batch import best_batch, fitting, free_bytes
    from clipbias.validate.model.size import longest_prompt, model_size
    from clipbias.validate.model.subject import load_model

    folder = model_folder(recipe.model)
    model, tokenizer = load_model(folder, "model.path")
    if torch.cuda.is_available():
        Module.to(model, "cuda")  # transformers types its own as taking nothing
    styles = {arm.style for arm in recipe.arm}.union(recipe.evaluation.styles if recipe.evaluation else ())
    prompt = longest_prompt(recipe.model, recipe.task, recipe.probe.prompts, styles)
    longest = max(arm.training(recipe.training).max_completion_length for arm in recipe.arm)
    workers = 1 if torch.cuda.is_available() else cores()
    size = model_size(folder)
    return best_batch(model.eval(), tokenizer, size, fitting(size, prompt, longest, free_bytes(model) // workers))
